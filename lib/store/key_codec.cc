#include "lib/store/key_codec.h"

#include "lib/base/digest.h"
#include "lib/store/wire.h"

namespace dmarcate {
namespace {

// Days before 1970 would be negative; offset, they sort as the others do.
constexpr int64_t kDayOffset = int64_t{1} << 31;

std::string IndexKey(char tag, std::string_view sha256) {
  std::string key(1, tag);
  key.append(sha256.substr(0, kIndexHashBytes));
  return key;
}

std::string IdentityKey(char tag, const ReportKey& key, std::string_view reporter,
                        std::string_view report_id, int64_t begin, int64_t end) {
  std::string identity;
  WireWriter out(&identity);
  out.String(key.domain);
  out.Zigzag(key.day);
  out.String(reporter);
  out.String(report_id);
  out.Zigzag(begin);
  out.Zigzag(end);
  return IndexKey(tag, Sha256(identity));
}

std::optional<DayNumber> TakeDay(std::string_view* key) {
  const auto day = TakeKeyNumber(key, 4);
  if (!day) return std::nullopt;
  return static_cast<DayNumber>(static_cast<int64_t>(*day) - kDayOffset);
}

}  // namespace

void AppendKeyText(std::string_view text, std::string* key) {
  for (const char c : text) {
    if (c == '\0' || c == '\1') {
      key->push_back('\1');
      key->push_back(static_cast<char>(c + 1));
    } else {
      key->push_back(c);
    }
  }
  key->push_back('\0');
}

void AppendKeyNumber(uint64_t number, int bytes, std::string* key) {
  for (int i = bytes - 1; i >= 0; --i) key->push_back(static_cast<char>(number >> (8 * i)));
}

std::optional<std::string> TakeKeyText(std::string_view* key) {
  std::string text;
  for (size_t i = 0; i < key->size(); ++i) {
    char c = (*key)[i];
    if (c == '\0') {
      key->remove_prefix(i + 1);
      return text;
    }
    if (c == '\1') {
      if (++i == key->size() || ((*key)[i] != '\1' && (*key)[i] != '\2')) return std::nullopt;
      c = static_cast<char>((*key)[i] - 1);
    }
    text.push_back(c);
  }
  return std::nullopt;
}

std::optional<uint64_t> TakeKeyNumber(std::string_view* key, int bytes) {
  if (key->size() < static_cast<size_t>(bytes)) return std::nullopt;
  uint64_t number = 0;
  for (int i = 0; i < bytes; ++i) number = number << 8 | static_cast<uint8_t>((*key)[i]);
  key->remove_prefix(static_cast<size_t>(bytes));
  return number;
}

std::string KeyAfterPrefix(std::string_view prefix) {
  std::string after(prefix);
  while (after.back() == '\xff') after.pop_back();
  ++after.back();
  return after;
}

std::string DomainDbKey(std::string_view domain) {
  std::string key;
  AppendKeyText(domain, &key);
  return key;
}

std::string DayDbKey(std::string_view domain, DayNumber day) {
  std::string key = DomainDbKey(domain);
  AppendKeyNumber(static_cast<uint64_t>(day + kDayOffset), 4, &key);
  return key;
}

std::optional<std::pair<std::string, DayNumber>> ParseDayDbKey(std::string_view bytes) {
  auto domain = TakeKeyText(&bytes);
  const auto day = TakeDay(&bytes);
  if (!domain || !day || !bytes.empty()) return std::nullopt;
  return std::pair(*std::move(domain), *day);
}

std::string ReportDbKey(const ReportKey& key) {
  std::string bytes = DayDbKey(key.domain, key.day);
  AppendKeyNumber(key.receipt, 8, &bytes);
  AppendKeyNumber(key.item, 2, &bytes);
  return bytes;
}

std::optional<ReportKey> ParseReportDbKey(std::string_view bytes) {
  auto domain = TakeKeyText(&bytes);
  const auto day = TakeDay(&bytes);
  const auto receipt = TakeKeyNumber(&bytes, 8);
  const auto item = TakeKeyNumber(&bytes, 2);
  if (!domain || !day || !receipt || !item || !bytes.empty()) return std::nullopt;
  return ReportKey{*std::move(domain), *day, *receipt, static_cast<uint16_t>(*item)};
}

std::string ReceiptDbKey(char tag, ReceiptId receipt) {
  std::string key(1, tag);
  AppendKeyNumber(receipt, 8, &key);
  return key;
}

std::optional<ReceiptId> ParseReceiptDbKey(char tag, std::string_view bytes) {
  if (bytes.size() != 9 || bytes[0] != tag) return std::nullopt;
  bytes.remove_prefix(1);
  return TakeKeyNumber(&bytes, 8);
}

std::string ExpiredDbKey(std::string_view day_key) { return "X" + std::string(day_key); }

std::string DayRevisionPrefix(std::string_view day_key) { return "V" + std::string(day_key); }
std::string DayRevisionDbKey(std::string_view day_key, DayChange change) {
  return DayRevisionPrefix(day_key) + static_cast<char>(change);
}

std::string ExpiryCursorKey(std::string_view name) { return "Mexpired-" + std::string(name); }

std::string DocumentIndexKey(std::string_view document_sha256) {
  return IndexKey(kDocumentTag, document_sha256);
}

std::string RawHashKey(std::string_view raw_sha256) { return IndexKey('H', raw_sha256); }

std::string RawCopyPrefix(std::string_view raw_sha256) { return IndexKey('C', raw_sha256); }

std::string RawCopyKey(std::string_view raw_sha256, ReceiptId receipt) {
  std::string key = RawCopyPrefix(raw_sha256);
  AppendKeyNumber(receipt, 8, &key);
  return key;
}

std::optional<ReceiptId> ParseRawCopyKey(std::string_view bytes) {
  if (bytes.size() != 1 + kIndexHashBytes + 8) return std::nullopt;
  bytes.remove_prefix(1 + kIndexHashBytes);
  return TakeKeyNumber(&bytes, 8);
}

std::string RawDbKey(ReceiptId receipt) { return RawPieceDbKey(receipt, 0); }

std::string RawPieceDbKey(ReceiptId receipt, uint32_t piece) {
  std::string key;
  AppendKeyNumber(receipt, 8, &key);
  if (piece > 0) AppendKeyNumber(piece, 4, &key);
  return key;
}

std::string IdentityIndexKey(const StoredReport& report) {
  const ReportMetadata& metadata = report.report.metadata;
  return IdentityKey('i', report.key, report.reporter_key, metadata.report_id, metadata.begin,
                     metadata.end);
}

std::string ExpiredIdentityKey(const StoredReport& report) {
  std::string key = IdentityIndexKey(report);
  key[0] = kExpiredIdentityTag;
  return key;
}

bool IsIndexOfReports(std::string_view key) {
  return !key.empty() && (key[0] == kDocumentTag || key[0] == kTlsDocumentTag ||
                          key[0] == kFailureDocumentTag || key[0] == kExpiredIdentityTag);
}

std::string TlsDocumentIndexKey(std::string_view document_sha256) {
  return IndexKey(kTlsDocumentTag, document_sha256);
}

std::string FailureDocumentIndexKey(std::string_view document_sha256) {
  return IndexKey(kFailureDocumentTag, document_sha256);
}

std::string TlsIdentityIndexKey(const StoredTlsReport& stored) {
  const TlsReport& report = stored.report;
  return IdentityKey('v', stored.key, stored.reporter_key, report.report_id, report.begin,
                     report.end);
}

}  // namespace dmarcate
