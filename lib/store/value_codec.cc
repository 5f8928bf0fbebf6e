#include "lib/store/value_codec.h"

#include <array>
#include <charconv>
#include <optional>
#include <vector>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/store/envelope.h"
#include "lib/store/key_codec.h"
#include "lib/store/wire.h"

namespace dmarcate {
namespace {

constexpr uint8_t kFormat = 1;         // of all values in this file but
constexpr uint8_t kReceiptFormat = 2;  // kFormat, too, is read
constexpr int64_t kDaySeconds = 24 * 60 * 60;

absl::Status Finish(const WireReader& in, std::string_view key) {
  if (in.AtEnd()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kDataLoss,
                   fmt::format("stored value of key {}: does not decode", ToHex(key)));
}

absl::StatusOr<WireReader> Begin(std::string_view key, std::string_view value,
                                 uint8_t format = kFormat) {
  auto payload = Unseal(key, format, value);
  if (!payload.ok()) return Annotate(payload.status(), fmt::format("key {}", ToHex(key)));
  return WireReader(*payload);
}

// The id of a report is 27 bytes of text, and mostly names this very receipt: kept as its numbers.
// First byte: 0 a text follows, 1 day, difference of receipts and item follow.
void WriteReportName(const Receipt& receipt, const ReceiptItem& item,
                     const std::optional<ReportKey>& key, WireWriter& out) {
  out.Byte(key ? 1 : 0);
  if (!key) {
    out.String(item.report_name);
    return;
  }
  out.Varint(static_cast<uint64_t>(key->day));
  out.Zigzag(static_cast<int64_t>(receipt.id - key->receipt));
  out.Varint(key->item);
}

// nullopt: `item` got the text.
std::optional<ReportKey> ReadReportName(const Receipt& receipt, WireReader& in, ReceiptItem* item) {
  if (in.Byte() == 0) {
    item->report_name = in.String();
    return std::nullopt;
  }
  ReportKey key;
  const uint64_t day = in.Varint();
  key.day = static_cast<DayNumber>(day);
  key.receipt = receipt.id - static_cast<uint64_t>(in.Zigzag());
  const uint64_t ordinal = in.Varint();
  key.item = static_cast<uint16_t>(ordinal);
  if (day > kLastReportDay || ordinal > UINT16_MAX) in.Fail();
  if (in.ok()) item->report_name = key.ToId();
  return key;
}

// The usual name of an aggregate report's file, "receiver!domain!begin!end.xml.gz" (RFC 9990
// section 3.5.2), says what stands beside it: the domain, and times near the day of the report.
struct UsualFileName {
  std::string_view receiver, rest;  // `rest` from behind the end
  int64_t begin = 0, end = 0;       // seconds since 1970, neither negative
};

std::string ToText(const UsualFileName& name, std::string_view domain) {
  return fmt::format("{}!{}!{}!{}{}", name.receiver, domain, name.begin, name.end, name.rest);
}

std::optional<UsualFileName> ParseUsualFileName(std::string_view text, std::string_view domain) {
  const std::vector<std::string_view> parts = Split(text, '!');
  if (parts.size() < 4) return std::nullopt;
  UsualFileName name{.receiver = parts[0]};
  const char* const end = text.data() + text.size();
  if (std::from_chars(parts[2].data(), end, name.begin).ec != std::errc()) return std::nullopt;
  const auto last = std::from_chars(parts[3].data(), end, name.end);
  if (last.ec != std::errc() || name.begin < 0 || name.end < 0) return std::nullopt;
  name.rest = text.substr(static_cast<size_t>(last.ptr - text.data()));
  if (ToText(name, domain) != text) return std::nullopt;
  return name;
}

// First byte: 0 the text follows, 1 a usual name with the times in relation to the report's day.
void WriteFileName(const ReceiptItem& item, const std::optional<ReportKey>& key, WireWriter& out) {
  const auto name = key ? ParseUsualFileName(item.file_name, item.domain) : std::nullopt;
  out.Byte(name ? 1 : 0);
  if (!name) {
    out.String(item.file_name);
    return;
  }
  out.String(name->receiver);
  out.Zigzag(name->begin - key->day * kDaySeconds);
  out.Zigzag(name->end - name->begin);
  out.String(name->rest);
}

std::string ReadFileName(const ReceiptItem& item, const std::optional<ReportKey>& key,
                         WireReader& in) {
  if (in.Byte() == 0) return std::string(in.String());
  if (!key) {
    in.Fail();
    return "";
  }
  UsualFileName name;
  name.receiver = in.String();
  // Unsigned arithmetic wraps around where the value is not ours.
  const auto after = [&in](int64_t start) {
    return static_cast<int64_t>(static_cast<uint64_t>(start) + static_cast<uint64_t>(in.Zigzag()));
  };
  name.begin = after(key->day * kDaySeconds);
  name.end = after(name.begin);
  name.rest = in.String();
  return ToText(name, item.domain);
}

absl::StatusOr<DayTotals> DecodeTotalsOf(std::string_view day_key, std::string_view key,
                                         std::string_view value) {
  const auto place = ParseDayDbKey(day_key);
  if (!place) return MakeError(absl::StatusCode::kDataLoss, "totals: the key does not decode");
  DMARCATE_ASSIGN_OR_RETURN(WireReader in, Begin(key, value));
  DayTotals totals;
  totals.day = place->second;
  totals.reports = static_cast<int64_t>(in.Varint());
  totals.records = static_cast<int64_t>(in.Varint());
  for (uint64_t* number :
       {&totals.messages, &totals.dmarc_pass, &totals.dkim_aligned, &totals.spf_aligned,
        &totals.both_aligned, &totals.disposition_none, &totals.quarantine, &totals.reject,
        &totals.pass, &totals.disposition_unknown}) {
    *number = in.Varint();
  }
  DMARCATE_RETURN_IF_ERROR(Finish(in, key));
  return totals;
}

constexpr uint8_t kProcessed = 1;
constexpr uint8_t kEnvelope = 2;
constexpr uint8_t kRawGone = 8;

void WriteEnvelope(const Envelope& envelope, WireWriter& out) {
  for (const uint8_t byte : envelope.client.bytes()) out.Byte(byte);
  out.String(envelope.helo);
  out.String(envelope.mail_from);
  out.Varint(envelope.recipients.size());
  for (const std::string& recipient : envelope.recipients) out.String(recipient);
}

Envelope ReadEnvelope(WireReader& in) {
  Envelope envelope;
  std::array<uint8_t, 16> client;
  for (uint8_t& byte : client) byte = in.Byte();
  envelope.client = IpAddress::FromBytes(client);
  envelope.helo = in.String();
  envelope.mail_from = in.String();
  envelope.recipients.resize(in.Length(1));
  for (std::string& recipient : envelope.recipients) recipient = in.String();
  return envelope;
}

}  // namespace

std::string EncodeReceipt(std::string_view key, const StoredReceipt& stored) {
  const Receipt& receipt = stored.receipt;
  std::string payload;
  WireWriter out(&payload);
  out.Byte(static_cast<uint8_t>(
      (receipt.processed ? kProcessed : 0) | (receipt.envelope.has_value() ? kEnvelope : 0) |
      (receipt.raw_gone ? kRawGone : 0) | static_cast<uint8_t>(receipt.channel) << 4));
  out.Varint(static_cast<uint64_t>(receipt.size_bytes));
  out.Time(receipt.received_time);
  out.String(receipt.file_name);
  out.String(receipt.subject);
  out.String(receipt.from_domain);
  if (receipt.envelope.has_value()) WriteEnvelope(*receipt.envelope, out);
  out.Varint(stored.items.size());
  for (const ReceiptItem& item : stored.items) {
    out.Byte(static_cast<uint8_t>(item.outcome));
    out.String(item.kind);
    out.String(item.domain);
    const auto report = ReportKey::FromId(item.domain, item.report_name);
    WriteReportName(receipt, item, report, out);
    out.String(item.reason);
    out.String(item.detail);
    WriteFileName(item, report, out);
    out.Zigzag(item.records);
    out.Zigzag(item.messages);
    out.Zigzag(item.findings);
  }
  out.String(receipt.raw_sha256);
  return Seal(key, kReceiptFormat, payload);
}

absl::StatusOr<StoredReceipt> DecodeReceipt(std::string_view key, std::string_view value) {
  StoredReceipt stored;
  Receipt& receipt = stored.receipt;
  const auto id = ParseReceiptDbKey(kReceiptTag, key);
  if (!id) return MakeError(absl::StatusCode::kDataLoss, "receipt: the key does not decode");
  receipt.id = *id;
  // The first version had each file name as it is.
  const bool first_format = value.starts_with(static_cast<char>(kFormat));
  DMARCATE_ASSIGN_OR_RETURN(WireReader in,
                            Begin(key, value, first_format ? kFormat : kReceiptFormat));
  const uint8_t flags = in.Byte();
  receipt.processed = (flags & kProcessed) != 0;
  receipt.raw_gone = (flags & kRawGone) != 0;
  receipt.channel = in.Enum(static_cast<uint8_t>(flags >> 4), kLastChannel);
  receipt.size_bytes = static_cast<int64_t>(in.Varint());
  receipt.received_time = in.Time();
  receipt.file_name = in.String();
  receipt.subject = in.String();
  receipt.from_domain = in.String();
  if ((flags & kEnvelope) != 0) receipt.envelope = ReadEnvelope(in);
  stored.items.resize(in.Length(first_format ? 11 : 12));
  for (ReceiptItem& item : stored.items) {
    item.outcome = in.Enum(in.Byte(), Outcome::kDuplicate);
    item.kind = in.String();
    item.domain = in.String();
    const auto report = ReadReportName(receipt, in, &item);
    item.reason = in.String();
    item.detail = in.String();
    item.file_name = first_format ? std::string(in.String()) : ReadFileName(item, report, in);
    item.records = in.Zigzag();
    item.messages = in.Zigzag();
    item.findings = in.Zigzag();
  }
  receipt.raw_sha256 = in.String();
  DMARCATE_RETURN_IF_ERROR(Finish(in, key));
  return stored;
}

std::string EncodeTotals(std::string_view key, const DayTotals& totals) {
  std::string payload;
  WireWriter out(&payload);
  for (const uint64_t number :
       {static_cast<uint64_t>(totals.reports), static_cast<uint64_t>(totals.records),
        totals.messages, totals.dmarc_pass, totals.dkim_aligned, totals.spf_aligned,
        totals.both_aligned, totals.disposition_none, totals.quarantine, totals.reject, totals.pass,
        totals.disposition_unknown}) {
    out.Varint(number);
  }
  return Seal(key, kFormat, payload);
}

absl::StatusOr<DayTotals> DecodeExpiredTotals(std::string_view key, std::string_view value) {
  return DecodeTotalsOf(key.substr(1), key, value);
}

absl::StatusOr<DayTotals> DecodeTotals(std::string_view key, std::string_view value) {
  return DecodeTotalsOf(key, key, value);
}

std::string EncodeRef(std::string_view key, const ReportKey& ref) {
  std::string payload;
  WireWriter out(&payload);
  out.String(ref.domain);
  out.Varint(static_cast<uint64_t>(ref.day));
  out.Varint(ref.receipt);
  out.Varint(ref.item);
  return Seal(key, kFormat, payload);
}

absl::StatusOr<ReportKey> DecodeRef(std::string_view key, std::string_view value) {
  DMARCATE_ASSIGN_OR_RETURN(WireReader in, Begin(key, value));
  ReportKey ref;
  ref.domain = in.String();
  const uint64_t day = in.Varint();
  ref.day = static_cast<DayNumber>(day);
  ref.receipt = in.Varint();
  const uint64_t item = in.Varint();
  ref.item = static_cast<uint16_t>(item);
  if (day > kLastReportDay || item > UINT16_MAX) in.Fail();
  DMARCATE_RETURN_IF_ERROR(Finish(in, key));
  return ref;
}

std::string EncodeRevisions(std::string_view key, const std::vector<Revision>& revisions) {
  std::string payload;
  WireWriter out(&payload);
  for (const Revision& revision : revisions) {
    out.Varint(revision.receipt);
    out.Varint(revision.item);
    out.Byte(static_cast<uint8_t>(revision.trust));
    out.Varint(static_cast<uint64_t>(revision.records));
  }
  return Seal(key, kFormat, payload);
}

absl::StatusOr<std::vector<Revision>> DecodeRevisions(std::string_view key,
                                                      std::string_view value) {
  DMARCATE_ASSIGN_OR_RETURN(WireReader in, Begin(key, value));
  std::vector<Revision> revisions;
  while (in.ok() && !in.AtEnd()) {
    Revision revision;
    revision.receipt = in.Varint();
    revision.item = static_cast<uint16_t>(in.Varint());
    revision.trust = in.Enum(in.Byte(), TrustClass::kQuarantined);
    revision.records = static_cast<int64_t>(in.Varint());
    revisions.push_back(revision);
  }
  DMARCATE_RETURN_IF_ERROR(Finish(in, key));
  return revisions;
}

std::string EncodeNumber(std::string_view key, uint64_t number) {
  std::string payload;
  WireWriter(&payload).Varint(number);
  return Seal(key, kFormat, payload);
}

absl::StatusOr<uint64_t> DecodeNumber(std::string_view key, std::string_view value) {
  DMARCATE_ASSIGN_OR_RETURN(WireReader in, Begin(key, value));
  const uint64_t number = in.Varint();
  DMARCATE_RETURN_IF_ERROR(Finish(in, key));
  return number;
}

}  // namespace dmarcate
