#include "policyd/mta_sts/state.h"

#include <array>

#include "policyd/mta_sts/policy_file.h"

namespace dmarcate {
namespace {

MtaStsMode ModeOf(StsStage stage) {
  switch (stage) {
    case StsStage::kTesting:
      return MtaStsMode::kTesting;
    case StsStage::kEnforce:
      return MtaStsMode::kEnforce;
    case StsStage::kOff:
    case StsStage::kWithdrawn:
      return MtaStsMode::kNone;
  }
  return MtaStsMode::kNone;
}

absl::Duration AgeOf(const StsSettings& settings, StsStage stage) {
  switch (stage) {
    case StsStage::kTesting:
      return settings.testing_max_age;
    case StsStage::kEnforce:
      return settings.enforce_max_age;
    case StsStage::kWithdrawn:
      return kStsWithdrawalAge;
    case StsStage::kOff:
      break;
  }
  return absl::ZeroDuration();
}

}  // namespace

std::string_view ToString(StsStage stage) {
  switch (stage) {
    case StsStage::kOff:
      return "off";
    case StsStage::kTesting:
      return "testing";
    case StsStage::kEnforce:
      return "enforce";
    case StsStage::kWithdrawn:
      return "withdrawn";
  }
  return "unknown";
}

std::string_view ToString(StsGateId id) {
  static constexpr std::array<std::string_view, kStsGates> kNames = {
      "dwell", "reporters", "failures", "mx", "file", "record", "tlsrpt", "window", "yes"};
  return kNames[static_cast<size_t>(id)];
}

std::string_view ToString(StsPause reason) {
  switch (reason) {
    case StsPause::kNone:
      return "none";
    case StsPause::kOperator:
      return "operator";
    case StsPause::kDrift:
      return "drift";
    case StsPause::kMx:
      return "mx";
    case StsPause::kFailures:
      return "failures";
    case StsPause::kAttention:
      return "attention";
  }
  return "unknown";
}

std::string WantedStsFile(const StsSettings& settings, StsStage stage) {
  if (stage == StsStage::kOff) return "";
  return RenderStsFile({ModeOf(stage), AgeOf(settings, stage), settings.mx});
}

absl::Duration StsFileAge(std::string_view file) {
  const auto policy = ParseMtaStsPolicy(file);
  return policy.ok() ? policy->max_age : absl::ZeroDuration();
}

}  // namespace dmarcate
