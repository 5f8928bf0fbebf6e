// lib/store/key_codec.h
// The keys of both databases: bytes whose order is the order of what they name. docs/store.md shows
// each with an example; the examples are the golden bytes of the test.

#ifndef DMARCATE_LIB_STORE_KEY_CODEC_H_
#define DMARCATE_LIB_STORE_KEY_CODEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/store/report_store.h"

namespace dmarcate {

// Keys are made of these. A text ends in 0x00; inside it 0x00 becomes 0x01 0x01 and 0x01 becomes
// 0x01 0x02, so that any bytes may be a text and "a" stays before "a.b". Numbers are big endian.
void AppendKeyText(std::string_view text, std::string* key);
void AppendKeyNumber(uint64_t number, int bytes, std::string* key);
// Cut one off the front of `key`; nullopt if there is none.
std::optional<std::string> TakeKeyText(std::string_view* key);
std::optional<uint64_t> TakeKeyNumber(std::string_view* key, int bytes);

// The first key after all keys that begin with `prefix`, which is not empty and not all 0xff.
std::string KeyAfterPrefix(std::string_view prefix);

// Families "reports", "tls" and "failures": domain, day (4, offset by 2^31), receipt (8), item (2).
std::string ReportDbKey(const ReportKey& key);
std::optional<ReportKey> ParseReportDbKey(std::string_view bytes);
// Family "totals", and the prefix of a day in "reports": domain, day.
std::string DayDbKey(std::string_view domain, DayNumber day);
std::optional<std::pair<std::string, DayNumber>> ParseDayDbKey(std::string_view bytes);
// The prefix of a domain in both.
std::string DomainDbKey(std::string_view domain);

// Family "default": one letter, then a receipt.
inline constexpr char kReceiptTag = 'R';     // -> the receipt
inline constexpr char kPendingTag = 'P';     // -> empty; accepted and not yet processed
inline constexpr char kUnreadableTag = 'U';  // -> empty; has items that ListUnreadable shows
// -> empty; gave failure reports when the retention of those had passed it.
inline constexpr char kLateTag = 'F';
std::string ReceiptDbKey(char tag, ReceiptId receipt);
// "X" and a DayDbKey() -> the part of the day's totals whose rows have expired.
std::string ExpiredDbKey(std::string_view day_key);
// "V", a DayDbKey() and what was done -> the last commit that did it (day_revisions.h).
enum class DayChange : char {
  kAppended = 0,   // reports behind all others of the day
  kRewritten = 1,  // anything else
};
std::string DayRevisionDbKey(std::string_view day_key, DayChange change);
std::string DayRevisionPrefix(std::string_view day_key);  // of both
// How far the class of retention has come: the last receipt that it has passed.
std::string ExpiryCursorKey(std::string_view name);
// -> the first day of which totals are kept.
inline constexpr std::string_view kTotalsFromKey = "Mtotals";
std::optional<ReceiptId> ParseReceiptDbKey(char tag, std::string_view bytes);
inline constexpr std::string_view kFormatKey = "Mformat";        // -> version of the layout
inline constexpr std::string_view kLastReceiptKey = "Mreceipt";  // -> the last receipt id given

// Family "raw": the receipt that brought the bytes first. Ascending, so that they are written once
// and files of them are never merged.
std::string RawDbKey(ReceiptId receipt);
// Bytes beyond the first kRawPieceBytes lie in pieces of that size, the last one shorter, behind
// it. They are written before the batch that accepts the receipt, so that no copy of the whole
// passes through a batch, the log and a write buffer at once. Pieces of a receipt that was never
// given are what a crash left in between.
inline constexpr size_t kRawPieceBytes = 1 << 20;
std::string RawPieceDbKey(ReceiptId receipt, uint32_t piece);  // piece 0 is RawDbKey()

// In every family -> the number of the last commit. A follower whose families disagree does not see
// all of them: RocksDB keeps an older state of a family if a file of it cannot be read. No domain
// begins with 0xff, which is not UTF-8, and no number of a receipt.
inline constexpr std::string_view kCommitKey =
    "\xff"
    "commit";

// Family "index": one letter, then the first 10 bytes of a SHA-256. No one can aim at 80 bits;
// where a hit costs a read anyway, the whole hash is compared.
inline constexpr size_t kIndexHashBytes = 10;
std::string DocumentIndexKey(std::string_view document_sha256);
// Of (domain, day, reporter, report id, begin, end): report-quirks D2.
std::string IdentityIndexKey(const StoredReport& report);
// The same of TLS reports.
std::string TlsDocumentIndexKey(std::string_view document_sha256);
std::string TlsIdentityIndexKey(const StoredTlsReport& stored);
std::string FailureDocumentIndexKey(std::string_view document_sha256);
// Of a report that counted and whose rows have expired -> where it lay; its identity is taken.
std::string ExpiredIdentityKey(const StoredReport& report);
// Letters of keys whose values name a report.
inline constexpr char kDocumentTag = 'd', kTlsDocumentTag = 't', kFailureDocumentTag = 'f';
inline constexpr char kExpiredIdentityTag = 'e';
inline constexpr std::string_view kFirstEntry = "d";  // none of them is before it
bool IsIndexOfReports(std::string_view key);
// "H" and the first 10 bytes of the hash -> the receipt that brought these raw bytes first.
std::string RawHashKey(std::string_view raw_sha256);
// "C", the same 10 bytes and a later receipt of the same bytes -> empty. Also of other bytes whose
// hash begins alike: then the bytes lie under that later receipt.
std::string RawCopyKey(std::string_view raw_sha256, ReceiptId receipt);
std::string RawCopyPrefix(std::string_view raw_sha256);
std::optional<ReceiptId> ParseRawCopyKey(std::string_view bytes);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_KEY_CODEC_H_
