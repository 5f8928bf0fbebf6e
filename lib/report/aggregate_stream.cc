#include "lib/report/aggregate_stream.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "lib/base/text.h"
#include "lib/report/aggregate_reader.h"
#include "lib/report/model_budget.h"
#include "lib/report/root_finder.h"

namespace dmarcate {
namespace {

constexpr size_t kLeastRecordBytes = 200;  // of XML; fewer only without addresses and names
constexpr size_t kExtensionNames = 32;

// "record[3]/row/count" with `records` added to its number; anything else as it is.
std::string MovedBy(const std::string& path, size_t records) {
  constexpr std::string_view kBegin = "record[";
  if (records == 0 || !path.starts_with(kBegin)) return path;
  size_t ordinal = 0;
  const char* const begin = path.data() + kBegin.size();
  const auto [end, error] = std::from_chars(begin, path.data() + path.size(), ordinal);
  if (error != std::errc()) return path;
  return fmt::format("{}{}{}", kBegin, ordinal + records,
                     std::string_view(end, path.data() + path.size()));
}

// Whether the reader made it, which sees one window.
bool HasSyntheticId(const AggregateReport& window) {
  SyntheticId id;
  id.Add(window.records);
  return window.metadata.report_id == id.Finish(window);
}

bool IsOfARecord(const Repair& repair) { return repair.path.starts_with("record["); }

}  // namespace

AggregateStream::AggregateStream(const ReportHints& hints, const AggregateLimits& limits,
                                 ModelBudget& budget, int64_t document_bytes,
                                 MakeRecordSink make_sink, const AggregateStreamSizes& sizes)
    : hints_(hints),
      limits_(limits),
      budget_(budget),
      document_bytes_(document_bytes),
      make_sink_(std::move(make_sink)),
      sizes_(sizes),
      budget_before_(budget) {}

void AggregateStream::Refuse(ParsedAggregate refusal) {
  whole_ = std::move(refusal);
  refused_ = true;
  GiveBack();
  std::string().swap(window_);
}

void AggregateStream::Refuse(Outcome outcome, std::string_view reason, std::string_view detail) {
  ParsedAggregate refusal;
  refusal.outcome = outcome;
  refusal.reason = reason;
  refusal.detail = detail;
  refusal.excerpt = MakeExcerpt(head_.empty() ? window_ : head_, std::nullopt);
  Refuse(std::move(refusal));
}

bool AggregateStream::FindRootStart() {
  RepairLog unused(0);
  const RootSearch search = FindRoot(window_, unused);
  if (search.entities || !search.root.has_value()) {
    if (window_.size() < sizes_.window && !search.entities) return false;  // more may come
    // No report begins here: what a small document is told.
    Refuse(std::move(ParseAggregate(window_, hints_, limits_, budget_).front()));
    return false;
  }
  const Token& root = *search.root;
  close_ = root.prefix.empty() ? fmt::format("</{}>", root.name)
                               : fmt::format("</{}:{}>", root.prefix, root.name);
  walk_.emplace(root.prefix, root.end);
  return true;
}

bool AggregateStream::FindHead() {
  if (!walk_.has_value() && !FindRootStart()) return false;
  walk_->Look(window_, Looking::kNow);
  const std::optional<size_t> first = walk_->first_record();
  if (first.has_value() && *first <= sizes_.head) {
    head_ = window_.substr(0, *first);
    window_.erase(0, *first);
    walk_->Erase(*first);
    return true;
  }
  if (window_.size() < sizes_.window) return false;
  Refuse(Outcome::kOverLimit, "frame_too_large",
         fmt::format("no record begins within the first {} bytes of a large document, or what "
                     "begins before it does not end",
                     sizes_.head));
  return false;
}

bool AggregateStream::KeepLittleBehindRoot() {
  const size_t most = walk_->end() + sizes_.behind_root;
  if (window_.size() <= most) return true;
  if (!TrimAscii(std::string_view(window_).substr(most)).empty()) {
    Refuse(Outcome::kOverLimit, "document_too_large",
           fmt::format("over {} bytes behind the end of a large report", sizes_.behind_root));
    return false;
  }
  window_.resize(most);
  return true;
}

bool AggregateStream::Add(std::string_view piece) {
  if (refused_) return false;
  if (piece.empty()) return true;
  window_.append(piece);
  if (!head_.empty() && walk_->root_ended()) return KeepLittleBehindRoot();
  if (window_.size() < sizes_.window) return true;
  if (head_.empty() && !FindHead()) return !refused_;
  walk_->Look(window_, Looking::kIfWorthIt);
  if (walk_->end() == 0 && window_.size() > sizes_.most_window) walk_->Look(window_, Looking::kNow);
  if (walk_->late_frame()) return RefuseLateFrame();
  if (walk_->root_ended()) return KeepLittleBehindRoot();
  const size_t end = walk_->end();
  if (end == 0) {
    if (window_.size() <= sizes_.most_window) return true;
    Refuse(Outcome::kOverLimit, "frame_too_large",
           fmt::format("no record ends within {} bytes of a large document", sizes_.most_window));
    return false;
  }
  ReadWindow(std::string_view(window_).substr(0, end), false);
  if (refused_) return false;
  records_seen_ += walk_->records();
  window_.erase(0, end);
  walk_->Erase(end);
  return true;
}

void AggregateStream::RefuseSeveral() {
  Refuse(Outcome::kOverLimit, "document_too_large", "several reports in one large document");
}

bool AggregateStream::RefuseLateFrame() {
  Refuse(Outcome::kQuarantined, "frame_after_records",
         "metadata or policy behind the first record of a large document");
  return false;
}

void AggregateStream::ReadWindow(std::string_view records, bool last) {
  std::string document;
  document.reserve(head_.size() + records.size() + close_.size());
  document.append(head_).append(records);
  if (!last) document += close_;
  std::vector<ParsedAggregate> parts =
      ParseAggregate(std::move(document), hints_, limits_, budget_);
  if (parts.size() > 1) {
    RefuseSeveral();
  } else if (!parts.front().report.has_value()) {
    Refuse(std::move(parts.front()));
  } else {
    Merge(std::move(parts.front()));
  }
}

bool AggregateStream::MergeRepairs(ParsedAggregate& part) {
  bool news = part.repairs_dropped > 0;
  for (Repair& repair : part.repairs) {
    // Each window has the head's again.
    if (repair.code == "report_id_missing" ||
        (!IsOfARecord(repair) &&
         std::ranges::find(whole_->repairs, repair) != whole_->repairs.end())) {
      continue;
    }
    news = true;
    if (std::ssize(whole_->repairs) >= limits_.repairs) {
      ++whole_->repairs_dropped;
      continue;
    }
    repair.path = MovedBy(repair.path, records_seen_);
    whole_->repairs.push_back(std::move(repair));
  }
  whole_->repairs_dropped += part.repairs_dropped;
  return news;
}

void AggregateStream::Merge(ParsedAggregate part) {
  // What can only be said of all records together is said in the end.
  std::erase_if(part.repairs, [](const Repair& repair) {
    return repair.path == "record" &&
           (repair.code == "records_missing" || repair.code == "count_absurd");
  });
  if (!whole_.has_value()) return Begin(std::move(part));
  if (MergeRepairs(part)) whole_->outcome = std::max(whole_->outcome, part.outcome);
  AggregateReport& whole = *whole_->report;
  AggregateReport& more = *part.report;
  if (whole.version.empty()) whole.version = std::move(more.version);  // it may come late
  for (std::string& name : more.extensions) {
    if (whole.extensions.size() < kExtensionNames &&
        std::ranges::find(whole.extensions, name) == whole.extensions.end()) {
      whole.extensions.push_back(std::move(name));
    }
  }
  if (more.dialect == Dialect::kRfc9990) whole.dialect = more.dialect;
  AddRecords(std::move(more.records));
}

void AggregateStream::Begin(ParsedAggregate part) {
  AggregateReport& report = *part.report;
  if (HasSyntheticId(report)) made_id_.emplace();
  if (make_sink_) part.sink = make_sink_(report.policy.domain);
  std::vector<AggregateRecord> records = std::exchange(report.records, {});
  if (part.sink != nullptr) {
    report.gone.emplace();
  } else {
    // Address space only, until records fill it; a vector that grows would hold them twice.
    report.records.reserve(static_cast<size_t>(
        std::min(limits_.records, document_bytes_ / static_cast<int64_t>(kLeastRecordBytes))));
  }
  whole_ = std::move(part);
  AddRecords(std::move(records));
}

void AggregateStream::AddRecords(std::vector<AggregateRecord> records) {
  if (made_id_) made_id_->Add(records);
  AggregateReport& report = *whole_->report;
  if (whole_->sink == nullptr) {
    std::move(records.begin(), records.end(), std::back_inserter(report.records));
    return;
  }
  int64_t model = 0;
  for (const AggregateRecord& record : records) {
    report.gone->Add(record);
    model += ModelBytes(record);
  }
  budget_.GiveBack(0, model);
  const int64_t kept = whole_->sink->Take(std::move(records));
  if (budget_.TakeSinkBytes(kept - sink_bytes_)) {
    sink_bytes_ = kept;
    return;
  }
  Refuse(Outcome::kOverLimit, "model_too_large",
         fmt::format("what large reports of this input say takes more than {} bytes when packed",
                     kMaxSinkBytes));
}

// What can only be said of all records together.
void AggregateStream::Conclude() {
  AggregateReport& report = *whole_->report;
  const RecordSums sums = report.sums();
  if (sums.messages > kMessagesCeiling) {
    const std::string text = fmt::format("{}", sums.messages);
    whole_->repairs.push_back({"count_absurd", "record", text, text, /*material=*/true});
    whole_->outcome = Outcome::kAcceptedMaterial;
  }
  if (sums.records == 0) {
    whole_->repairs.push_back({"records_missing", "record", "", "an empty report", false});
    whole_->outcome = std::max(whole_->outcome, Outcome::kAcceptedCosmetic);
  }
  if (!made_id_) return;
  report.metadata.report_id = made_id_->Finish(report);
  const auto missing = std::ranges::find(whole_->repairs, "report_id_missing", &Repair::code);
  if (missing != whole_->repairs.end()) missing->chosen = report.metadata.report_id;
}

ParsedAggregate AggregateStream::Finish() {
  if (!refused_ && head_.empty()) {
    std::vector<ParsedAggregate> parts =
        ParseAggregate(std::move(window_), hints_, limits_, budget_);
    if (parts.size() == 1) return std::move(parts.front());
    RefuseSeveral();
  }
  if (!refused_) {
    walk_->Look(window_, Looking::kLast);
    if (walk_->late_frame()) {
      RefuseLateFrame();
    } else if (!walk_->root_ended() || KeepLittleBehindRoot()) {
      ReadWindow(window_, true);
    }
  }
  if (!refused_) Conclude();
  return *std::move(whole_);
}

}  // namespace dmarcate
