// What ReportTransaction takes out for good: receipts that nobody wants any more, and their bytes.

#include <algorithm>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/store/key_codec.h"
#include "lib/store/report_transaction.h"

namespace dmarcate {
namespace {

// Under which a receipt has keys.
constexpr char kReceiptTags[] = {kReceiptTag, kPendingTag, kUnreadableTag, kLateTag};

}  // namespace

absl::StatusOr<DropResult> ReportTransaction::Drop(ReceiptId id) {
  auto stored = GetReceipt(id);
  if (absl::IsDataLoss(stored.status())) return DropUndecodable(id);
  DMARCATE_RETURN_IF_ERROR(stored.status());
  if (!*stored) {
    // Listed all the same by what an earlier version left of one that did not decode.
    DMARCATE_ASSIGN_OR_RETURN(const auto listed,
                              Get(kMainFamily, ReceiptDbKey(kUnreadableTag, id)));
    return listed ? DropUndecodable(id) : DropResult{};
  }
  if (!(*stored)->receipt.processed) return DropResult{};
  StoredReceipt& receipt = **stored;
  std::vector<ReceiptItem> left;
  bool any = false;
  for (ReceiptItem& item : receipt.items) {
    if (!IsUnreadable(item.outcome)) {
      left.push_back(std::move(item));
      continue;
    }
    any = true;
    const auto key = ReportOf(id, item);
    if (!key) continue;
    DMARCATE_ASSIGN_OR_RETURN(const auto report, GetReport(*key, ReportParts::kHead));
    if (!report) continue;
    if (report->trust == TrustClass::kQuarantined) {
      DMARCATE_RETURN_IF_ERROR(Remove(*key));
    } else {  // of a store from before a loan did that
      SettleQuarantined(&item);
      left.push_back(std::move(item));
    }
  }
  if (!any) return DropResult{};
  receipt.items = std::move(left);
  receipt.receipt.subject.clear();  // they were for who looks at what is unreadable
  receipt.receipt.from_domain.clear();
  changes_.Delete(kMainFamily, ReceiptDbKey(kUnreadableTag, id));
  DropResult result{.dropped = true};
  if (receipt.items.empty()) {
    DMARCATE_ASSIGN_OR_RETURN(result.raw_bytes, ForgetReceipt(receipt.receipt));
  } else {
    const std::string key = ReceiptDbKey(kReceiptTag, id);
    changes_.Put(kMainFamily, key, EncodeReceipt(key, receipt));
  }
  return result;
}

// Its hash is not known, and with it not who else has the same bytes: whoever has finds them gone,
// and they are kept once more when they come again.
absl::StatusOr<DropResult> ReportTransaction::DropUndecodable(ReceiptId id) {
  DropResult result{.dropped = true};
  for (const char tag : kReceiptTags) {
    changes_.Delete(kMainFamily, ReceiptDbKey(tag, id));
  }
  DMARCATE_RETURN_IF_ERROR(
      db_.Scan(kRawFamily, RawDbKey(id), RawDbKey(id + 1), Direction::kForward,
               [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
                 result.raw_bytes += static_cast<int64_t>(value.size());
                 changes_.Delete(kRawFamily, std::string(key));
                 return true;
               }));
  return result;
}

absl::StatusOr<int64_t> ReportTransaction::ForgetReceipt(const Receipt& receipt) {
  for (const char tag : kReceiptTags) {
    changes_.Delete(kMainFamily, ReceiptDbKey(tag, receipt.id));
  }
  changes_.Delete(kIndexFamily, RawCopyKey(receipt.raw_sha256, receipt.id));
  const int64_t bytes = receipt.raw_gone ? 0 : receipt.size_bytes;
  const std::string raw_key = RawHashKey(receipt.raw_sha256);
  DMARCATE_ASSIGN_OR_RETURN(const auto value, Get(kIndexFamily, raw_key));
  if (!value) return 0;
  const auto first = DecodeNumber(raw_key, *value);
  if (!first.ok() || *first != receipt.id) {
    // A copy; or one of several whose hashes begin alike, which has bytes of its own.
    DMARCATE_ASSIGN_OR_RETURN(const auto own, Get(kRawFamily, RawDbKey(receipt.id)));
    if (!own) return 0;
    DeleteRaw(receipt);
    return bytes;
  }
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<ReceiptId> copies, Copies(receipt));
  if (copies.empty()) {
    changes_.Delete(kIndexFamily, raw_key);
    DeleteRaw(receipt);
    return bytes;
  }
  const ReceiptId next = copies.front();
  if (receipt.raw_gone) {
    DMARCATE_ASSIGN_OR_RETURN(auto heir, GetReceipt(next));
    heir->receipt.raw_gone = true;
    const std::string key = ReceiptDbKey(kReceiptTag, next);
    changes_.Put(kMainFamily, key, EncodeReceipt(key, *heir));
  } else {
    DMARCATE_RETURN_IF_ERROR(MoveRaw(receipt, next));
  }
  changes_.Put(kIndexFamily, raw_key, EncodeNumber(raw_key, next));
  changes_.Delete(kIndexFamily, RawCopyKey(receipt.raw_sha256, next));
  return 0;
}

absl::StatusOr<std::vector<ReceiptId>> ReportTransaction::Copies(const Receipt& first) const {
  std::vector<ReceiptId> out;
  DMARCATE_ASSIGN_OR_RETURN(const auto keys, RawCopyKeys(first.raw_sha256));
  for (const std::string& key : keys) {
    const auto id = ParseRawCopyKey(key);
    if (!id || *id == first.id) continue;
    const auto stored = GetReceipt(*id);
    if (absl::IsDataLoss(stored.status())) continue;
    DMARCATE_RETURN_IF_ERROR(stored.status());
    if (*stored && (*stored)->receipt.raw_sha256 == first.raw_sha256) out.push_back(*id);
  }
  return out;
}

absl::Status ReportTransaction::MoveRaw(const Receipt& from, ReceiptId to) {
  DMARCATE_ASSIGN_OR_RETURN(auto raw, Get(kRawFamily, RawDbKey(from.id)));
  if (!raw) return absl::OkStatus();
  if (raw->size() < kRawPieceBytes) {
    changes_.Put(kRawFamily, RawDbKey(to), *std::move(raw));
  } else {
    DMARCATE_ASSIGN_OR_RETURN(std::string whole, ReadRawBytes(db_, from.raw_sha256));
    large_raw_.emplace_back(to, std::move(whole));
  }
  DeleteRaw(from);
  return absl::OkStatus();
}

void ReportTransaction::DeleteRaw(const Receipt& receipt) {
  const auto pieces = static_cast<uint32_t>(receipt.size_bytes / kRawPieceBytes);
  for (uint32_t piece = 0; piece <= pieces; ++piece) {
    changes_.Delete(kRawFamily, RawPieceDbKey(receipt.id, piece));
  }
}

}  // namespace dmarcate
