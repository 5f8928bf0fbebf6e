#include "ingestd/intake/quarantine.h"

#include <algorithm>
#include <charconv>
#include <deque>
#include <future>
#include <memory>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "ingestd/intake/release.h"
#include "ingestd/intake/to_proto.h"
#include "ingestd/pipeline/convert.h"
#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/report/aggregate.h"
#include "lib/rpc/errors.h"
#include "lib/store/report_rules.h"

namespace dmarcate {
namespace {

constexpr int kDefaultPageSize = 50;
constexpr int kMaxPageSize = 1000;
constexpr size_t kChunkBytes = 256 << 10;
constexpr size_t kReplaysInWork = 8;
constexpr size_t kDropsInOneCommit = 100;
constexpr int64_t kFailuresTold = 1000;
constexpr std::string_view kCollection = "quarantinedMessages/";

// Opaque to clients: where the next page begins.
std::string PageToken(const ReportWriter::ItemPlace& next) {
  return Base64Encode(fmt::format("q{:x}-{:x}", next.receipt, next.ordinal));
}

// All of `text`.
template <typename T>
bool ParseNumber(std::string_view text, int base, T* out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out, base);
  return error == std::errc() && end == text.data() + text.size();
}

// "a3f01-0"; the ordinal to this base.
std::optional<ReportWriter::ItemPlace> ParsePlace(std::string_view text, int base) {
  const size_t dash = std::min(text.find('-'), text.size());
  ReportWriter::ItemPlace place;
  if (!ParseNumber(text.substr(0, dash), 16, &place.receipt) || dash == text.size() ||
      !ParseNumber(text.substr(dash + 1), base, &place.ordinal) || place.receipt == 0) {
    return std::nullopt;
  }
  return place;
}

std::optional<ReportWriter::ItemPlace> ParsePageToken(const std::string& token) {
  const auto text = Base64Decode(token);
  if (!text.ok() || !text->starts_with('q')) return std::nullopt;
  return ParsePlace(std::string_view(*text).substr(1), 16);
}

void Fill(const Receipt& receipt, const ReceiptItem& item, uint32_t ordinal,
          v1::QuarantinedMessage* out) {
  out->set_name(QuarantineName({receipt.id, ordinal}));
  out->set_outcome(ToProtoOutcome(item));
  out->set_reason(item.reason);
  out->set_detail(item.detail);
  out->mutable_receive_time()->set_seconds(absl::ToUnixSeconds(receipt.received_time));
  out->set_channel(std::string(ChannelName(receipt.channel)));
  out->set_size_bytes(receipt.size_bytes);
  out->set_content_sha256(ToHex(receipt.raw_sha256));
  *out->mutable_file_name() =
      ToUntrusted(item.file_name.empty() ? receipt.file_name : item.file_name);
  *out->mutable_subject() = ToUntrusted(receipt.subject);
  *out->mutable_from_domain() = ToUntrusted(receipt.from_domain);
  out->set_etag(QuarantineEtag(receipt, item));
  out->set_aggregate_report(QuarantinedReport(receipt.id, item));
}

// A read that failed: what is gone is not found, and says why.
grpc::Status ReadError(const absl::Status& status) {
  if (!absl::IsNotFound(status)) return ToRpcError(status, Reason::kStoreUnavailable);
  return MakeRpcError(
      {.reason = Reason::kResourceNotFound, .message = std::string(MessageOf(status))});
}

struct Found {
  StoredReceipt stored;
  uint32_t ordinal = 0;
};

absl::StatusOr<std::optional<Found>> Find(ReportWriter& store, std::string_view name) {
  const auto place = ParseQuarantineName(name);
  if (!place) return std::nullopt;
  absl::StatusOr<StoredReceipt> stored = store.GetReceipt(place->receipt);
  if (absl::IsNotFound(stored.status())) return std::nullopt;
  DMARCATE_RETURN_IF_ERROR(stored.status());
  if (place->ordinal >= stored->items.size() ||
      !IsUnreadable(stored->items[place->ordinal].outcome)) {
    return std::nullopt;
  }
  return Found{*std::move(stored), place->ordinal};
}

// The receipts that are meant, oldest first, each with the first of its items that is meant.
absl::StatusOr<std::vector<ReportWriter::ItemPlace>> Select(
    ReportWriter& store, const v1::QuarantineSelector& selector) {
  std::vector<ReportWriter::ItemPlace> out;
  if (selector.selection_case() == v1::QuarantineSelector::kName) {
    const auto place = ParseQuarantineName(selector.name());
    const ReportWriter::ItemPlace from = place.value_or(ReportWriter::ItemPlace());
    if (!place) return out;
    // As listed, so that a receipt that does not decode is found, too.
    DMARCATE_ASSIGN_OR_RETURN(const auto page, store.ListUnreadable(from, 1));
    if (!page.rows.empty() && page.rows[0].receipt.id == from.receipt &&
        page.rows[0].ordinal == from.ordinal) {
      out.push_back(from);
    }
    return out;
  }
  std::optional<ReportWriter::ItemPlace> from;
  do {
    DMARCATE_ASSIGN_OR_RETURN(const auto page, store.ListUnreadable(from, kMaxPageSize));
    for (const auto& [receipt, item, ordinal] : page.rows) {
      const bool wanted = selector.all() || item.reason == selector.reason();
      if (!wanted || (!out.empty() && out.back().receipt == receipt.id)) continue;
      out.push_back({receipt.id, ordinal});
    }
    from = page.next;
  } while (from);
  std::ranges::reverse(out);
  return out;
}

// The reports that a receipt gave.
std::set<std::string> ReportsOf(const std::vector<ReceiptItem>& items) {
  std::set<std::string> out;
  for (const ReceiptItem& item : items) {
    if (IsAccepted(item.outcome) && !item.report_name.empty()) {
      out.insert(fmt::format("{}/{}/{}", item.domain, item.kind, item.report_name));
    }
  }
  return out;
}

// A message that is being replayed, and what had come of it before.
struct Replaying {
  ReportWriter::ItemPlace place;
  std::set<std::string> reports;
  std::future<absl::StatusOr<std::vector<ReceiptItem>>> result;
};

// Adds what came of one replay to the sums.
void Count(const Replaying& replayed, const absl::StatusOr<std::vector<ReceiptItem>>& items,
           v1::ReplayQuarantinedMessagesResponse* sums) {
  if (!items.ok()) {
    sums->set_failed_message_count(sums->failed_message_count() + 1);
    if (sums->failed_message_count() > kFailuresTold) return;
    v1::ReplayFailure* failure = sums->add_failures();
    failure->set_name(QuarantineName(replayed.place));
    failure->set_detail(std::string(MessageOf(items.status())));
    return;
  }
  sums->set_replayed_count(sums->replayed_count() + 1);
  int64_t fresh = 0, duplicates = 0;
  for (const std::string& report : ReportsOf(*items)) {
    if (!replayed.reports.contains(report)) ++fresh;
  }
  for (const ReceiptItem& item : *items) duplicates += item.outcome == Outcome::kDuplicate ? 1 : 0;
  sums->set_stored_report_count(sums->stored_report_count() + fresh);
  sums->set_duplicate_report_count(sums->duplicate_report_count() + duplicates);
  if (HasUnreadable(*items)) {
    sums->set_quarantined_message_count(sums->quarantined_message_count() + 1);
  }
}

// Or the error to answer with.
grpc::Status CheckSelector(const v1::QuarantineSelector& selector) {
  const bool nothing =
      selector.selection_case() == v1::QuarantineSelector::SELECTION_NOT_SET ||
      (selector.selection_case() == v1::QuarantineSelector::kAll && !selector.all()) ||
      (selector.selection_case() == v1::QuarantineSelector::kReason && selector.reason().empty());
  if (nothing) {
    return FieldError(Reason::kFieldRequired, "selector", "want a name, a reason or all");
  }
  if (selector.selection_case() == v1::QuarantineSelector::kName &&
      !ParseQuarantineName(selector.name())) {
    return FieldError(Reason::kNameMalformed, "selector.name",
                      "want quarantinedMessages/{message}, as listed");
  }
  return grpc::Status::OK;
}

}  // namespace

grpc::Status NotInQuarantine(const std::string& name) {
  return MakeRpcError({.reason = Reason::kResourceNotFound,
                       .message = fmt::format("{}: not in quarantine", name),
                       .metadata = {{"resource", name}}});
}

std::string QuarantineName(const ReportWriter::ItemPlace& place) {
  return fmt::format("{}{:016x}-{}", kCollection, place.receipt, place.ordinal);
}

std::optional<ReportWriter::ItemPlace> ParseQuarantineName(std::string_view name) {
  if (!name.starts_with(kCollection)) return std::nullopt;
  const auto place = ParsePlace(name.substr(kCollection.size()), 10);
  if (!place || QuarantineName(*place) != name) return std::nullopt;  // one form only
  return place;
}

grpc::Status QuarantineDesk::List(const v1::ListQuarantinedMessagesRequest& request,
                                  v1::ListQuarantinedMessagesResponse* response) {
  if (request.page_size() < 0) {
    return FieldError(Reason::kPageSizeNegative, "page_size", "negative");
  }
  std::optional<ReportWriter::ItemPlace> from;
  if (!request.page_token().empty()) {
    from = ParsePageToken(request.page_token());
    if (!from) return FieldError(Reason::kPageTokenInvalid, "page_token", "not one of ours");
  }
  const int size =
      request.page_size() == 0 ? kDefaultPageSize : std::min(request.page_size(), kMaxPageSize);
  const auto page = store_.ListUnreadable(from, static_cast<size_t>(size));
  if (!page.ok()) return ToRpcError(page.status(), Reason::kStoreUnavailable);
  for (const auto& [receipt, item, ordinal] : page->rows) {
    Fill(receipt, item, ordinal, response->add_quarantined_messages());
  }
  if (page->next) response->set_next_page_token(PageToken(*page->next));
  return grpc::Status::OK;
}

grpc::Status QuarantineDesk::Get(const v1::GetQuarantinedMessageRequest& in,
                                 v1::GetQuarantinedMessageResponse* out) {
  if (!ParseQuarantineName(in.name())) {
    return FieldError(Reason::kNameMalformed, "name", "want quarantinedMessages/{message}");
  }
  const auto found = Find(store_, in.name());
  if (!found.ok()) return ReadError(found.status());
  if (!*found) return NotInQuarantine(in.name());
  const Receipt& receipt = (*found)->stored.receipt;
  const ReceiptItem& item = (*found)->stored.items[(*found)->ordinal];
  Fill(receipt, item, (*found)->ordinal, out->mutable_quarantined_message());
  DocumentExcerpt excerpt;
  const absl::StatusOr<Unpacked> unpacked = pipeline_.Inspect(receipt);
  if (unpacked.ok() && (*found)->ordinal < unpacked->reports.size()) {
    excerpt = unpacked->reports[(*found)->ordinal].excerpt;
  }
  // What was never read, or not as far as a document.
  const absl::StatusOr<std::string> raw = store_.ReadRaw(receipt.raw_sha256);
  if (!raw.ok() && !absl::IsNotFound(raw.status()) && !absl::IsDataLoss(raw.status())) {
    return ReadError(raw.status());
  }
  out->set_raw_available(raw.ok());
  if (excerpt.bytes.empty() && raw.ok()) excerpt = MakeExcerpt(*raw, std::nullopt);
  if (excerpt.position) out->set_position(*excerpt.position);
  out->set_excerpt(EscapeForTerminal(excerpt.bytes));
  out->set_excerpt_offset(excerpt.offset);
  return grpc::Status::OK;
}

grpc::Status QuarantineDesk::Download(
    const v1::DownloadQuarantinedMessageRequest& in,
    StreamWriter<v1::DownloadQuarantinedMessageResponse>& writer) {
  if (!ParseQuarantineName(in.name())) {
    return FieldError(Reason::kNameMalformed, "name", "want quarantinedMessages/{message}");
  }
  const auto found = Find(store_, in.name());
  if (!found.ok()) return ReadError(found.status());
  if (!*found) return NotInQuarantine(in.name());
  const absl::StatusOr<std::string> raw = store_.ReadRaw((*found)->stored.receipt.raw_sha256);
  if (!raw.ok()) return ReadError(raw.status());
  for (size_t at = 0; at < raw->size(); at += kChunkBytes) {
    v1::DownloadQuarantinedMessageResponse response;
    response.set_chunk(raw->substr(at, kChunkBytes));
    if (!writer.Write(response)) break;  // nobody listens
  }
  return grpc::Status::OK;
}

grpc::Status QuarantineDesk::Replay(const Call& call,
                                    const v1::ReplayQuarantinedMessagesRequest& in,
                                    StreamWriter<v1::ReplayQuarantinedMessagesResponse>& writer) {
  if (const grpc::Status wrong = CheckSelector(in.selector()); !wrong.ok()) return wrong;
  const auto places = Select(store_, in.selector());
  if (!places.ok()) return ReadError(places.status());
  if (places->empty() && !in.selector().name().empty())
    return NotInQuarantine(in.selector().name());
  v1::ReplayQuarantinedMessagesResponse progress;
  progress.set_message_count(static_cast<int64_t>(places->size()));
  if (!in.validate_only()) {
    if (const absl::Status admitted = gauge_.AdmitRows(); !admitted.ok()) {
      return ToIntakeError(admitted);
    }
  }
  // What ended the daemon is tried again only by who asks for it.
  const bool all = in.selector().selection_case() == v1::QuarantineSelector::kAll;
  const auto parked = all ? Pipeline::Parked::kStay : Pipeline::Parked::kTryAgain;
  using Result = absl::StatusOr<std::vector<ReceiptItem>>;
  std::deque<Replaying> in_work;
  const auto take = [&] {
    const Result result = in_work.front().result.get();
    Count(in_work.front(), result, &progress);
    in_work.pop_front();
  };
  bool listened = true;
  for (const ReportWriter::ItemPlace& place : *places) {
    if (in.validate_only() || call.cancelled() || !listened) break;
    if (in_work.size() == kReplaysInWork) {
      take();
      listened = writer.Write(progress);
      progress.clear_failures();  // each is told once
    }
    const auto before = store_.GetReceipt(place.receipt);
    const auto promise = std::make_shared<std::promise<Result>>();
    in_work.push_back({place, before.ok() ? ReportsOf(before->items) : std::set<std::string>(),
                       promise->get_future()});
    pipeline_.Replay(place.receipt, parked,
                     [promise](const Result& result) { promise->set_value(result); });
  }
  while (!in_work.empty()) take();
  if (!in.validate_only()) {
    // Syncs what the replays wrote.
    if (const auto synced = pipeline_.Apply({}); !synced.ok())
      return ToIntakeError(synced.status());
  }
  progress.set_complete(true);
  writer.Write(progress);
  return grpc::Status::OK;
}

grpc::Status QuarantineDesk::Drop(const Call& call, const v1::DropQuarantinedMessagesRequest& in,
                                  StreamWriter<v1::DropQuarantinedMessagesResponse>& writer) {
  if (const grpc::Status wrong = CheckSelector(in.selector()); !wrong.ok()) return wrong;
  const auto places = Select(store_, in.selector());
  if (!places.ok()) return ReadError(places.status());
  if (places->empty() && !in.selector().name().empty())
    return NotInQuarantine(in.selector().name());
  v1::DropQuarantinedMessagesResponse progress;
  progress.set_message_count(static_cast<int64_t>(places->size()));
  for (size_t at = 0; at < places->size() && !in.validate_only() && !call.cancelled();
       at += kDropsInOneCommit) {
    CommitBatch batch;
    for (const ReportWriter::ItemPlace& place :
         std::span(*places).subspan(at, std::min(kDropsInOneCommit, places->size() - at))) {
      batch.dropped.push_back(place.receipt);
    }
    const auto result = pipeline_.Apply(std::move(batch));
    if (!result.ok()) return ToIntakeError(result.status());
    for (const DropResult& dropped : result->dropped) {
      progress.set_dropped_count(progress.dropped_count() + (dropped.dropped ? 1 : 0));
      progress.set_dropped_bytes(progress.dropped_bytes() + dropped.raw_bytes);
    }
    if (!writer.Write(progress)) return grpc::Status::OK;  // nobody listens
  }
  progress.set_complete(true);
  writer.Write(progress);
  return grpc::Status::OK;
}

}  // namespace dmarcate
