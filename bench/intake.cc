#include "bench/intake.h"

#include <charconv>
#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "ingestd/pipeline/convert.h"
#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "lib/unpack/unpack.h"

namespace dmarcate::bench {
namespace {

constexpr int64_t kQueueBytes = 8 << 20;  // as ingestd gives to bulk import
constexpr int64_t kRoundSeconds = int64_t{90} * 24 * 60 * 60;
constexpr std::string_view kRoundField = "X-Round: ";

int RoundOf(std::string_view mail) {
  if (!mail.starts_with(kRoundField)) return 0;
  int round = 0;
  std::from_chars(mail.data() + kRoundField.size(), mail.data() + mail.size(), round);
  return round;
}

Unpacked UnpackRound(std::string mail, const UnpackHints& hints) {
  const int round = RoundOf(mail);
  Unpacked out = Unpack(std::move(mail), hints, UnpackLimits());
  if (round == 0) return out;
  for (UnpackedReport& report : out.reports) {
    if (!report.aggregate) continue;
    ReportMetadata& metadata = report.aggregate->metadata;
    metadata.report_id = fmt::format("{}.{}", round, metadata.report_id);
    metadata.begin += round * kRoundSeconds;
    metadata.end += round * kRoundSeconds;
    report.document_sha256 = Sha256(fmt::format("{} {}", round, report.document_sha256));
  }
  return out;
}

PipelineOptions Options(int parse_threads) {
  PipelineOptions options;
  options.parse_threads = parse_threads;
  return options;
}

}  // namespace

Intake::Intake(std::unique_ptr<RocksReportWriter> store, std::unique_ptr<CrashJournal> crashes,
               std::unique_ptr<const PublicSuffixList> suffixes, int parse_threads)
    : store_(std::move(store)),
      crashes_(std::move(crashes)),
      suffixes_(std::move(suffixes)),
      budget_(kQueueBytes),
      pipeline_(
          *store_, *suffixes_, *crashes_, UnpackRound, [](const absl::Status&) {},
          Options(parse_threads)) {}

absl::StatusOr<std::unique_ptr<Intake>> Intake::Start(const std::string& directory,
                                                      int parse_threads) {
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  DMARCATE_ASSIGN_OR_RETURN(auto store, RocksReportWriter::Open(directory + "/reports"));
  DMARCATE_ASSIGN_OR_RETURN(auto crashes, CrashJournal::Open(directory + "/crashes"));
  std::unique_ptr<Intake> intake(
      new Intake(std::move(store), std::move(crashes), BuiltinPublicSuffixList(), parse_threads));
  DMARCATE_RETURN_IF_ERROR(intake->pipeline_.Start());
  return intake;
}

void Intake::Submit(const std::string& mail, int round) {
  Delivery delivery;
  delivery.reservation =
      budget_.AcquireBefore(static_cast<int64_t>(mail.size()), absl::InfiniteFuture());
  delivery.content = round == 0 ? mail : fmt::format("{}{}\n{}", kRoundField, round, mail);
  delivery.sha256 = Sha256(delivery.content);
  delivery.file_name = "mail.eml";
  delivery.channel = Channel::kImport;
  delivery.received_time = absl::Now();
  ++submitted_;
  pipeline_.Submit(
      std::move(delivery),
      [this](const absl::Status& status) {
        const std::lock_guard lock(mutex_);
        durable_ += status.ok() ? 1 : 0;
      },
      [this](const absl::StatusOr<std::vector<ReceiptItem>>& items) { Note(items); });
}

void Intake::Note(const absl::StatusOr<std::vector<ReceiptItem>>& items) {
  const std::lock_guard lock(mutex_);
  if (!items.ok()) {
    failed_ = items.status();
    return;
  }
  for (const ReceiptItem& item : *items) {
    if (!IsAccepted(item.outcome)) continue;
    ++counted_.reports;
    counted_.records += item.records;
    counted_.messages += item.messages;
  }
}

absl::StatusOr<Counted> Intake::Finish() {
  pipeline_.Stop(absl::InfiniteDuration());
  const std::lock_guard lock(mutex_);
  DMARCATE_RETURN_IF_ERROR(failed_);
  if (durable_ != submitted_) {
    return MakeError(absl::StatusCode::kInternal, "not all mails became durable");
  }
  return counted_;
}

}  // namespace dmarcate::bench
