#include "lib/unpack/unpacker.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "fmt/format.h"

#include "lib/archive/unzip.h"
#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/report/charset.h"
#include "lib/report/tls.h"

namespace dmarcate {
namespace {

constexpr size_t kTlsWindowBytes = 64 * 1024;

ArchiveLimits ArchiveLimitsOf(const UnpackLimits& limits) {
  return {.compressed_part_bytes = limits.compressed_part_bytes,
          .inflated_bytes = limits.inflated_bytes,
          .ratio = limits.ratio,
          .ratio_free_bytes = limits.ratio_free_bytes,
          .members = limits.archive_members};
}

bool IsAccepted(Outcome outcome) {
  return outcome == Outcome::kAccepted || outcome == Outcome::kAcceptedCosmetic ||
         outcome == Outcome::kAcceptedMaterial;
}

// What an accepted report is once `repair` counts as well.
Outcome WithRepair(Outcome outcome, const Repair& repair) {
  if (repair.material) return Outcome::kAcceptedMaterial;
  return outcome == Outcome::kAccepted ? Outcome::kAcceptedCosmetic : outcome;
}

// The labels that make a zlib header believable (Z15).
bool IsLabelledCompressed(const Layer& layer) {
  const std::string name = AsciiLower(layer.file_name);
  return layer.content_type.find("gzip") != std::string::npos ||
         layer.content_type.find("zlib") != std::string::npos ||
         layer.content_type.find("deflate") != std::string::npos || name.ends_with(".gz") ||
         name.ends_with(".z") || name.ends_with(".zlib");
}

bool IsLabelledOutlook(const Layer& layer) {
  return layer.origin == Origin::kInput || layer.content_type == "application/vnd.ms-outlook" ||
         AsciiLower(layer.file_name).ends_with(".msg");
}

// True if the file name's extension promises no report. Without a name or an extension anything may
// come.
bool IsNamedAsSomethingElse(const Layer& layer) {
  const size_t dot = layer.file_name.rfind('.');
  if (dot == std::string::npos) return false;
  const std::string extension = AsciiLower(std::string_view(layer.file_name).substr(dot + 1));
  constexpr std::array<std::string_view, 5> kPromising = {"xml", "gz", "zip", "json", "eml"};
  return extension.find(' ') == std::string::npos &&
         std::ranges::find(kPromising, extension) == kPromising.end();
}

std::string_view RepairCode(Damage damage) {
  switch (damage) {
    case Damage::kTruncated:
      return "truncated";
    case Damage::kCorrupt:
      return "corrupt";
    case Damage::kBadChecksum:
      return "crc";
    case Damage::kNone:
      break;
  }
  return "";
}

// Notes what was wrong with one archive layer of kind `archive`, "gzip" or "zip".
void NoteDamage(std::string_view archive, Damage damage, Layer* layer) {
  if (damage == Damage::kNone) return;
  layer->damage = fmt::format("{}_{}", archive, RepairCode(damage));
  layer->AddRepair(layer->damage, "", "what could be inflated", /*material=*/true);
  if (damage != Damage::kBadChecksum) layer->truncated = true;
}

}  // namespace

void Layer::AddRepair(std::string code, std::string raw, std::string chosen, bool material) {
  repairs.push_back({.code = std::move(code),
                     .path = Join(container, "/"),
                     .raw = std::move(raw),
                     .chosen = std::move(chosen),
                     .material = material});
}

Unpacker::Unpacker(const UnpackHints& hints, const UnpackLimits& limits)
    : hints_(hints),
      limits_(limits),
      budget_(ArchiveLimitsOf(limits)),
      models_(limits.aggregate.records, limits.aggregate.model_bytes,
              limits.aggregate.model_free_bytes) {}

Unpacked Unpacker::Run(std::string input) {
  Layer layer;
  layer.file_name = ToValidUtf8(hints_.file_name);
  if (static_cast<int64_t>(input.size()) > limits_.message_bytes) {
    Refuse(Outcome::kOverLimit, "message_too_large",
           fmt::format("{} bytes, limit {}", input.size(), limits_.message_bytes), layer);
    return std::move(out_);
  }
  Visit(std::move(input), layer);
  // A report makes the rest of its mail small talk.
  if (std::ranges::any_of(out_.reports, [](const UnpackedReport& report) {
        return report.outcome != Outcome::kNotAReport;
      })) {
    std::erase_if(out_.reports, [](const UnpackedReport& report) {
      return report.outcome == Outcome::kNotAReport;
    });
  }
  if (out_.reports.empty()) {
    if (out_.carrier.is_mail) layer.container = {"mail"};
    if (saw_bounce_) {
      Refuse(Outcome::kNotAReport, "bounce", "a delivery status notification or receipt", layer);
    } else {
      Refuse(Outcome::kNotAReport, "no_report_found", "nothing in it looks like a report", layer);
    }
  }
  return std::move(out_);
}

void Unpacker::Visit(std::string bytes, Layer layer) {
  if (full_) return;
  switch (SniffContent(bytes)) {
    case Content::kEmpty:
      return VisitEmpty(std::move(layer));
    case Content::kGzip:
      return VisitGzip(std::move(bytes), std::move(layer));
    case Content::kZlib:
      if (IsLabelledCompressed(layer)) return VisitGzip(std::move(bytes), std::move(layer));
      return VisitOther(std::move(layer));
    case Content::kZip:
      return VisitZip(bytes, std::move(layer));
    case Content::kXml:
      if (layer.origin == Origin::kBody && !HasFeedbackTag(bytes)) return;
      return VisitXml(std::move(bytes), std::move(layer));
    case Content::kJson:
      if (layer.origin == Origin::kBody &&
          std::string_view(bytes).substr(0, kTlsWindowBytes).find("\"policies\"") ==
              std::string_view::npos) {
        return;
      }
      return VisitJson(bytes, std::move(layer));
    case Content::kFeedback:
      return VisitFeedback(bytes, "", std::move(layer));
    case Content::kMbox:
      if (layer.origin != Origin::kBody) VisitMbox(bytes, std::move(layer));
      return;
    case Content::kMail:
      if (layer.origin != Origin::kBody) VisitMail(bytes, std::move(layer));
      return;
    case Content::kBase64:
      return VisitBase64(bytes, std::move(layer));
    case Content::kTar:
      layer.container.emplace_back("tar");
      return Refuse(Outcome::kQuarantined, "container_unsupported",
                    "a tar archive, which is not read in mail: send zip or gzip; what you have "
                    "yourself `dmarcate reports import` reads",
                    std::move(layer));
    case Content::kUnsupportedCompression:
      return Refuse(Outcome::kQuarantined, "compression_unsupported",
                    "compressed by something else than gzip or zip", std::move(layer));
    case Content::kOle:
      if (!IsLabelledOutlook(layer)) return VisitOther(std::move(layer));
      return Refuse(Outcome::kQuarantined, "container_unsupported", "an Outlook message (.msg)",
                    std::move(layer));
    case Content::kTnef:
      return Refuse(Outcome::kQuarantined, "container_unsupported", "TNEF (winmail.dat)",
                    std::move(layer));
    case Content::kOther:
      return VisitOther(std::move(layer));
  }
}

void Unpacker::VisitGzip(std::string bytes, Layer layer) {
  layer.container.emplace_back("gzip");
  if (++layer.archives > limits_.archive_depth) {
    return Refuse(Outcome::kOverLimit, "archive_too_deep",
                  fmt::format("archives nested over {} deep", limits_.archive_depth),
                  std::move(layer));
  }
  layer.origin = Origin::kMember;
  layer.content_type.clear();
  LargeDocument large;
  absl::StatusOr<Gunzipped> inflated =
      Gunzip(bytes, budget_,
             [&](std::string_view head, std::string_view) { return PlanFor(head, layer, &large); });
  if (absl::IsOutOfRange(inflated.status())) {
    return RefuseTooLarge(inflated.status(), std::move(layer));
  }
  if (absl::IsResourceExhausted(inflated.status())) {
    return RefuseOverBudget(inflated.status(), std::move(layer));
  }
  if (!inflated.ok()) {
    return Refuse(Outcome::kQuarantined, "gzip_corrupt", MessageOf(inflated.status()),
                  std::move(layer));
  }
  std::string().swap(bytes);
  if (inflated->trailing_bytes > 0) {
    layer.AddRepair("gzip_trailing_data", fmt::format("{} bytes", inflated->trailing_bytes), "",
                    /*material=*/false);
  }
  NoteDamage("gzip", inflated->damage, &layer);
  if (inflated->handed_over) return VisitLarge(std::move(large), std::move(layer));
  Visit(std::move(inflated->data), std::move(layer));
}

void Unpacker::VisitZip(const std::string& bytes, Layer layer) {
  layer.container.emplace_back("zip");
  if (++layer.archives > limits_.archive_depth) {
    return Refuse(Outcome::kOverLimit, "archive_too_deep",
                  fmt::format("archives nested over {} deep", limits_.archive_depth),
                  std::move(layer));
  }
  layer.origin = Origin::kMember;
  layer.content_type.clear();
  LargeDocument large;  // the member that is visited next
  const auto visit = [&](ZipMember member) {
    Layer inside = layer;
    inside.file_name = std::move(member.name);
    if (absl::IsOutOfRange(member.status)) return RefuseTooLarge(member.status, std::move(inside));
    if (absl::IsUnimplemented(member.status)) {
      return Refuse(Outcome::kQuarantined, "compression_unsupported", MessageOf(member.status),
                    std::move(inside));
    }
    if (!member.status.ok()) {
      return Refuse(Outcome::kQuarantined, "zip_corrupt", MessageOf(member.status),
                    std::move(inside));
    }
    NoteDamage("zip", member.damage, &inside);
    if (member.size_lied) {
      inside.AddRepair("zip_size_mismatch", "", fmt::format("{} bytes", member.size_bytes),
                       /*material=*/false);
    }
    if (member.handed_over) return VisitLarge(std::exchange(large, {}), std::move(inside));
    Visit(std::move(member.data), std::move(inside));
  };
  const auto planner = [&](std::string_view head, std::string_view name) {
    Layer inside = layer;
    inside.file_name = name;
    return PlanFor(head, inside, &large);
  };
  const absl::StatusOr<int> members = Unzip(bytes, budget_, visit, planner);
  if (absl::IsResourceExhausted(members.status())) {
    return RefuseOverBudget(members.status(), std::move(layer));
  }
  if (!members.ok()) {
    return Refuse(Outcome::kQuarantined, "zip_corrupt", MessageOf(members.status()),
                  std::move(layer));
  }
  if (*members == 0) {
    Refuse(Outcome::kQuarantined, "empty_archive", "a zip archive without a file",
           std::move(layer));
  }
}

void Unpacker::VisitBase64(const std::string& bytes, Layer layer) {
  if (layer.base64_removed) return VisitOther(std::move(layer));
  layer.base64_removed = true;
  DecodedBody decoded = DecodeBase64Lenient(bytes);
  switch (SniffContent(decoded.data)) {
    case Content::kGzip:
    case Content::kZip:
    case Content::kXml:
    case Content::kJson:
      layer.AddRepair("base64_again", "", "", /*material=*/false);
      return Visit(std::move(decoded.data), std::move(layer));
    default:
      return VisitOther(std::move(layer));
  }
}

void Unpacker::VisitXml(std::string document, Layer layer) {
  layer.container.emplace_back("xml");
  const auto size = static_cast<int64_t>(document.size());
  const std::string digest = Sha256(document);
  const ReportKind kind = HasFeedbackTag(document) ? ReportKind::kAggregate : ReportKind::kUnknown;
  if (IsRepeated(digest, size, kind, layer)) return;
  // Z6: what a broken archive gave counts only if the document came to its end.
  if (layer.truncated && !EndsWithFeedbackTag(document)) {
    UnpackedReport report;
    report.kind = kind;
    report.reason = layer.damage;
    report.detail =
        fmt::format("the archive broke off after {} bytes, before the end of the report", size);
    report.document_sha256 = digest;
    report.document_bytes = size;
    return Add(std::move(report), {}, std::move(layer));
  }
  const ReportHints hints = HintsFor(layer);
  std::vector<ParsedAggregate> parsed =
      ParseAggregate(std::move(document), hints, limits_.aggregate, models_);
  for (size_t i = 0; i < parsed.size(); ++i) {
    UnpackedReport report;
    report.kind = parsed[i].report ? ReportKind::kAggregate : kind;
    report.outcome = parsed[i].outcome;
    report.aggregate = std::move(parsed[i].report);
    report.reason = std::move(parsed[i].reason);
    report.detail = std::move(parsed[i].detail);
    report.excerpt = std::move(parsed[i].excerpt);
    // Of several roots in one document (S17) each needs an identity of its own.
    report.document_sha256 = i == 0 ? digest : Sha256(fmt::format("{}{}", digest, i));
    report.document_bytes = size;
    Add(std::move(report), std::move(parsed[i].repairs), layer);
  }
}

ReportHints Unpacker::HintsFor(const Layer& layer) const {
  return {.file_name = layer.file_name,
          .subject = layer.mail.subject,
          .from_domain = layer.mail.from_domain,
          .received_time = hints_.received_time};
}

void Unpacker::VisitLarge(LargeDocument large, Layer layer) {
  if (large.report == nullptr) return Visit(std::move(large.head), std::move(layer));
  LargeReport& source = *large.report;
  layer.container.emplace_back("xml");
  const std::string digest = source.Digest();
  ParsedAggregate parsed = source.Finish();
  const ReportKind kind =
      parsed.report || source.has_feedback_tag() ? ReportKind::kAggregate : ReportKind::kUnknown;
  if (!digest.empty() && IsRepeated(digest, source.bytes(), kind, layer)) {
    source.GiveBack();
    return;
  }
  UnpackedReport report;
  report.kind = kind;
  report.document_sha256 = digest;
  report.document_bytes = source.bytes();
  if (layer.truncated && parsed.report.has_value() && !source.ends_with_feedback_tag()) {  // Z6
    source.GiveBack();
    report.reason = layer.damage;
    report.detail = fmt::format(
        "the archive broke off after {} bytes, before the end of the report", source.bytes());
    return Add(std::move(report), {}, std::move(layer));
  }
  report.outcome = parsed.outcome;
  report.aggregate = std::move(parsed.report);
  report.sink = std::move(parsed.sink);
  report.reason = std::move(parsed.reason);
  report.detail = std::move(parsed.detail);
  report.excerpt = std::move(parsed.excerpt);
  Add(std::move(report), std::move(parsed.repairs), std::move(layer));
}

void Unpacker::VisitJson(const std::string& document, Layer layer) {
  layer.container.emplace_back("json");
  const auto size = static_cast<int64_t>(document.size());
  std::string digest = Sha256(document);
  if (IsRepeated(digest, size, ReportKind::kTls, layer)) return;
  models_.AddText(size);
  ParsedTlsReport parsed = ParseTlsReport(document, {.model_bytes = models_.bytes_left()});
  if (!parsed.report.has_value()) models_.AddText(-size);
  if (parsed.report.has_value() && !models_.TakeBytes(ModelBytes(*parsed.report))) {
    parsed = {.outcome = Outcome::kOverLimit,
              .reason = "model_too_large",
              .detail = fmt::format(
                  "what the reports of this input say takes more than {} bytes in memory",
                  limits_.aggregate.model_bytes)};
  }
  UnpackedReport report;
  report.kind = parsed.outcome == Outcome::kNotAReport ? ReportKind::kUnknown : ReportKind::kTls;
  report.outcome = parsed.outcome;
  report.tls = std::move(parsed.report);
  report.reason = std::move(parsed.reason);
  report.detail = std::move(parsed.detail);
  if (!IsAccepted(report.outcome)) report.excerpt = MakeExcerpt(document, std::nullopt);
  report.document_sha256 = std::move(digest);
  report.document_bytes = size;
  Add(std::move(report), std::move(parsed.repairs), std::move(layer));
}

void Unpacker::VisitEmpty(Layer layer) {
  if (!layer.damage.empty()) return VisitOther(std::move(layer));
  // An empty text beside an attachment is the usual case; an empty report is not.
  if (layer.origin == Origin::kBody || IsNamedAsSomethingElse(layer)) return;
  Refuse(Outcome::kQuarantined, "empty_payload", "the payload holds nothing to read",
         std::move(layer));
}

void Unpacker::VisitOther(Layer layer) {
  if (layer.damage.empty()) return;  // not a candidate
  const std::string reason = layer.damage;
  Refuse(Outcome::kQuarantined, reason, "what the archive gave before it broke is no report",
         std::move(layer));
}

void Unpacker::Refuse(Outcome outcome, std::string_view reason, std::string_view detail,
                      Layer layer) {
  UnpackedReport report;
  report.outcome = outcome;
  report.reason = reason;
  report.detail = detail;
  Add(std::move(report), {}, std::move(layer));
}

void Unpacker::RefuseOverBudget(const absl::Status& status, Layer layer) {
  Refuse(Outcome::kOverLimit, budget_.reason(), MessageOf(status), std::move(layer));
}

void Unpacker::RefuseTooLarge(const absl::Status& status, Layer layer) {
  Refuse(Outcome::kOverLimit, "document_too_large", MessageOf(status), std::move(layer));
}

DocumentPlan Unpacker::PlanFor(std::string_view head, const Layer& layer, LargeDocument* large) {
  *large = {};
  switch (SniffContent(head)) {
    case Content::kJson:
      return {.most_bytes = static_cast<int64_t>(TlsLimits{}.document_bytes)};
    case Content::kXml:
      if (NeedsConversion(head)) {
        return {.most_bytes = static_cast<int64_t>(limits_.aggregate.converted_bytes)};
      }
      large->report = std::make_unique<LargeReport>(HintsFor(layer), limits_.aggregate, models_,
                                                    limits_.inflated_bytes, hints_.make_sink);
      return {.large = [large](std::string_view piece) { return large->report->Take(piece); },
              .needs_whole = [large] { return large->report->NeedsWhole(); }};
    case Content::kGzip:
    case Content::kZlib:
    case Content::kZip:
      return {.most_bytes = limits_.compressed_part_bytes};
    case Content::kMbox:
      return {.most_bytes = hints_.handed_in ? kAnySize : limits_.message_bytes};
    case Content::kMail:
    case Content::kFeedback:
    case Content::kBase64:
      return {.most_bytes = limits_.message_bytes};
    case Content::kEmpty:
    case Content::kUnsupportedCompression:
    case Content::kTar:
    case Content::kOle:
    case Content::kTnef:
    case Content::kOther:
      large->head = head;
      return {.large = [](std::string_view) { return false; }};
  }
  return {};
}

void Unpacker::Add(UnpackedReport report, std::vector<Repair> repairs, Layer layer) {
  if (IsAccepted(report.outcome)) {
    for (const Repair& repair : layer.repairs) {
      report.outcome = WithRepair(report.outcome, repair);
    }
  }
  if (full_) return;
  if (std::ssize(out_.reports) >= limits_.items) {
    full_ = true;
    report = UnpackedReport();
    report.outcome = Outcome::kOverLimit;
    report.reason = "too_many_items";
    report.detail =
        fmt::format("over {} reports in one input; the rest was not read", limits_.items);
    repairs.clear();
    layer = Layer();
  }
  if (const auto seen = documents_.find(report.document_sha256);
      seen != documents_.end() && !IsAccepted(report.outcome)) {
    seen->second = {.outcome = report.outcome, .reason = report.reason};
  }
  report.repairs = std::move(layer.repairs);
  std::move(repairs.begin(), repairs.end(), std::back_inserter(report.repairs));
  report.container = std::move(layer.container);
  report.file_name = std::move(layer.file_name);
  out_.reports.push_back(std::move(report));
}

bool Unpacker::IsRepeated(const std::string& digest, int64_t size, ReportKind kind,
                          const Layer& layer) {
  const auto [first, added] = documents_.try_emplace(digest);
  if (added) return false;
  UnpackedReport report;
  report.kind = kind;
  report.outcome = first->second.outcome;
  report.reason = first->second.reason;
  report.detail = "the same document stands in this input once more";
  report.document_sha256 = digest;
  report.document_bytes = size;
  Add(std::move(report), {}, layer);
  return true;
}

}  // namespace dmarcate
