// row and policy_evaluated (report-quirks section 9): how many messages from where, and what became
// of them.
#include <utility>

#include <fmt/format.h>

#include "lib/report/aggregate_reader.h"
#include "lib/report/value_text.h"
#include "lib/report/words.h"

namespace dmarcate {
namespace {

constexpr uint64_t kCountCeiling = 1'000'000'000;  // W8: more messages in one row are beyond belief
constexpr size_t kReasons = 100;

}  // namespace

void AggregateReader::ReadRow(pugi::xml_node node, AggregateRecord& record) {
  count_empty_ = true;
  bool has_address = false;
  ForEachChild(node, "row", 0, [&](Element element, pugi::xml_node child) {
    switch (element) {
      case Element::kSourceIp:
        has_address = true;
        ReadSourceIp(child, record);
        return true;
      case Element::kCount:
        ReadCount(child, record);
        return true;
      case Element::kPolicyEvaluated:
        ReadPolicyEvaluated(child, record);
        return true;
      default:
        return false;
    }
  });
  if (!has_address) log_.Add("ip_missing", "row/source_ip", "", "", Effect::kCosmetic);
}

void AggregateReader::ReadSourceIp(pugi::xml_node node, AggregateRecord& record) {
  constexpr std::string_view kPath = "row/source_ip";
  const std::string_view text = TextOf(node, Element::kSourceIp, kPath);
  const AddressText address = ReadAddressText(text);
  record.source_ip = address.address;
  if (address.form == AddressForm::kPlain) return;
  const std::string chosen = address.address.has_value() ? address.address->ToString() : "";
  switch (address.form) {
    case AddressForm::kPlain:
      break;
    case AddressForm::kEmpty:
      log_.Add("ip_missing", kPath, text, chosen, Effect::kCosmetic);
      break;
    case AddressForm::kNormalized:
      log_.Add("ip_normalized", kPath, text, chosen, Effect::kCosmetic);
      break;
    case AddressForm::kTrimmed:
      log_.Add("ip_trimmed", kPath, text, chosen, Effect::kMaterial);
      break;
    case AddressForm::kLeadingZero:
      log_.Add("ip_leading_zero", kPath, text, chosen, Effect::kMaterial);
      break;
    case AddressForm::kUnreadable:
      log_.Add("ip_unreadable", kPath, text, chosen, Effect::kMaterial);
      break;
  }
}

void AggregateReader::ReadCount(pugi::xml_node node, AggregateRecord& record) {
  constexpr std::string_view kPath = "row/count";
  const std::string_view text = TextOf(node, Element::kCount, kPath);
  const CountText count = ReadCountText(text);
  record.count = count.value;
  count_empty_ = count.form == CountForm::kEmpty;
  const auto note = [&](std::string_view code) {
    log_.Add(code, kPath, text, fmt::format("{}", count.value), Effect::kMaterial);
  };
  if (count.form == CountForm::kFolded) note("count_folded");
  if (count.form == CountForm::kSaturated) note("count_saturated");
  if (count.form == CountForm::kInvalid) note("count_invalid");
  if (count.form != CountForm::kSaturated && count.value > kCountCeiling) note("count_absurd");
}

// "pass" and "fail" are the only words; no other is a pass (W13, W14).
AlignedResult AggregateReader::ReadAligned(pugi::xml_node node, Element element,
                                           std::string_view path) {
  const std::string_view text = TextOf(node, element, path);
  const Word<AlignedResult> word = ReadAlignedResult(text);
  if (word.form == WordForm::kUnknown || (word.form == WordForm::kEmpty && !text.empty())) {
    log_.Add("aligned_unknown", path, text, "", Effect::kMaterial);
  }
  return word.value;
}

void AggregateReader::ReadPolicyEvaluated(pugi::xml_node node, AggregateRecord& record) {
  constexpr std::string_view kDispositionPath = "row/policy_evaluated/disposition";
  ForEachChild(node, "row/policy_evaluated", Bit(Element::kReason),
               [&](Element element, pugi::xml_node child) {
                 switch (element) {
                   case Element::kDisposition: {
                     const std::string_view text = TextOf(child, element, kDispositionPath);
                     const Word<Disposition> word = ReadDisposition(text);
                     record.disposition = word.value;
                     if (word.value == Disposition::kPass) speaks_9990_ = true;
                     if (word.form == WordForm::kUnknown) {
                       log_.Add("disposition_unknown", kDispositionPath, text, "",
                                Effect::kMaterial);
                     } else if (word.form == WordForm::kEmpty && !text.empty()) {
                       log_.Add("disposition_nil", kDispositionPath, text, "", Effect::kCosmetic);
                     }
                     return true;
                   }
                   case Element::kDkim:
                     record.dkim_aligned = ReadAligned(child, element, "row/policy_evaluated/dkim");
                     return true;
                   case Element::kSpf:
                     record.spf_aligned = ReadAligned(child, element, "row/policy_evaluated/spf");
                     return true;
                   case Element::kReason:
                     ReadReason(child, record);
                     return true;
                   default:
                     return false;
                 }
               });
}

void AggregateReader::ReadReason(pugi::xml_node node, AggregateRecord& record) {
  constexpr std::string_view kPath = "row/policy_evaluated/reason";
  if (record.reasons.size() >= kReasons) {
    log_.Add("reasons_capped", kPath, "", "", Effect::kCosmetic);
    return;
  }
  OverrideReason reason;
  std::string type;
  const bool has_elements = [&] {
    for (pugi::xml_node c = node.first_child(); c; c = c.next_sibling()) {
      if (c.type() == pugi::node_element) return true;
    }
    return false;
  }();
  if (has_elements) {
    ForEachChild(node, kPath, 0, [&](Element element, pugi::xml_node child) {
      if (element == Element::kType) {
        type = TextOf(child, element, "row/policy_evaluated/reason/type");
      } else if (element == Element::kComment) {
        reason.comment = TextOf(child, element, "row/policy_evaluated/reason/comment");
      } else {
        return false;
      }
      return true;
    });
  } else if (const std::string_view text = TextOf(node, Element::kReason, kPath); !text.empty()) {
    // W18: the text is the type if it is one, else a comment.
    const Word<ReasonType> word = ReadReasonType(text);
    reason.type = word.value;
    if (word.form == WordForm::kUnknown) reason.comment = text;
    log_.Add("reason_text", kPath, text, word.form == WordForm::kUnknown ? "other" : text,
             Effect::kCosmetic);
    speaks_9990_ = speaks_9990_ || reason.type == ReasonType::kPolicyTestMode;
    record.reasons.push_back(std::move(reason));
    return;
  }
  if (type.empty() && reason.comment.empty()) {  // W19
    log_.Add("reason_empty", kPath, "", "", Effect::kCosmetic);
    return;
  }
  const Word<ReasonType> word = ReadReasonType(type);
  reason.type = word.form == WordForm::kEmpty ? ReasonType::kOther : word.value;
  if (word.form == WordForm::kEmpty) {
    log_.Add("reason_type_missing", kPath, type, "other", Effect::kCosmetic);
  } else if (word.form == WordForm::kMapped) {
    log_.Add("reason_mapped", kPath, type, "", Effect::kCosmetic);
  } else if (word.form == WordForm::kUnknown) {
    log_.Add("reason_unknown", kPath, type, "other", Effect::kCosmetic);
  }
  if (reason.type == ReasonType::kPolicyTestMode) speaks_9990_ = true;
  record.reasons.push_back(std::move(reason));
}

}  // namespace dmarcate
