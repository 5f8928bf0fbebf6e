// The bytes at rest. The golden ones are those of docs/store.md: a change here is a change of
// format, with the rule that page gives.

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "fmt/format.h"
#include "gtest/gtest.h"

#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "lib/store/envelope.h"
#include "lib/store/key_codec.h"
#include "lib/store/policy_codec.h"
#include "lib/store/policy_keys.h"
#include "lib/store/report_codec.h"
#include "lib/store/report_rules.h"
#include "lib/store/standing_codec.h"
#include "lib/store/value_codec.h"
#include "lib/store/wire.h"
#include "tests/lib/store/store_testing.h"

namespace dmarcate {
namespace {

constexpr char kDomain[] = "example.com";

TEST(Wire, NumbersRoundTripAtTheirEdges) {
  std::string bytes;
  WireWriter out(&bytes);
  const uint64_t numbers[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX - 1, UINT64_MAX};
  const int64_t signed_numbers[] = {0, -1, 1, -64, 64, INT64_MIN, INT64_MAX};
  const absl::Time times[] = {absl::InfinitePast(), absl::InfiniteFuture(), absl::UnixEpoch(),
                              absl::FromUnixMicros(-5)};
  for (const uint64_t number : numbers) out.Varint(number);
  for (const int64_t number : signed_numbers) out.Zigzag(number);
  for (const absl::Time time : times) out.Time(time);
  out.String("");
  out.String("text");
  WireReader in(bytes);
  for (const uint64_t number : numbers) EXPECT_EQ(in.Varint(), number);
  for (const int64_t number : signed_numbers) EXPECT_EQ(in.Zigzag(), number);
  for (const absl::Time time : times) EXPECT_EQ(in.Time(), time);
  EXPECT_EQ(in.String(), "");
  EXPECT_EQ(in.String(), "text");
  EXPECT_TRUE(in.AtEnd());
}

TEST(Wire, WhatDoesNotFitFailsForGood) {
  for (const std::string_view bytes :
       {std::string_view(""), std::string_view("\x80"),
        std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10),  // over 64 bits
        std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00", 11)}) {
    WireReader in(bytes);
    EXPECT_EQ(in.Varint(), 0u);
    EXPECT_FALSE(in.ok());
    EXPECT_EQ(in.Byte(), 0);
    EXPECT_FALSE(in.AtEnd());
  }
  WireReader text("\x05text");
  EXPECT_EQ(text.String(), "");
  EXPECT_FALSE(text.ok());
  WireReader list("\x03\x01\x01\x01\x01\x01");
  EXPECT_EQ(list.Length(2), 0u);  // three things of two bytes do not fit into five
  EXPECT_FALSE(list.ok());
  WireReader other("");
  EXPECT_EQ(other.Enum<Outcome>(7, Outcome::kDuplicate), Outcome::kAccepted);
  EXPECT_FALSE(other.ok());
}

TEST(Envelope, SumIsCrc32c) {
  EXPECT_EQ(Crc32c(0, "123456789"), 0xe3069283u);  // RFC 3720 appendix B.4 and the CRC catalogues
  EXPECT_EQ(Crc32c(0, std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(0, std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(Crc32c(Crc32c(0, "1234"), "56789"), 0xe3069283u);
}

TEST(Envelope, NoticesEveryChange) {
  const std::string sealed = Seal("key", 1, "payload");
  EXPECT_EQ(*Unseal("key", 1, sealed), "payload");
  EXPECT_EQ(Unseal("kex", 1, sealed).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Unseal("key", 2, sealed).status().code(), absl::StatusCode::kFailedPrecondition);
  for (size_t i = 0; i < sealed.size(); ++i) {
    std::string cut = sealed.substr(0, i);
    EXPECT_EQ(Unseal("key", 1, cut).status().code(), absl::StatusCode::kDataLoss) << i;
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = sealed;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      EXPECT_EQ(Unseal("key", 1, flipped).status().code(), absl::StatusCode::kDataLoss) << i;
    }
  }
}

// ---- Keys ----

StoredReport GoldenReport() {
  StoredReport stored = MakeReport(kDomain, kTestDay, "18273645", "doc", {3, 300});
  stored.key.receipt = 0xa3f01;
  stored.key.item = 1;
  stored.document_sha256 = std::string(32, '\x11');
  AggregateRecord& second = stored.report.records[1];
  second.source_ip = IpAddress::Parse("2001:db8::1");
  second.disposition = Disposition::kReject;
  second.dkim_aligned = AlignedResult::kFail;
  second.dkim = {{"example.com", "s1", AuthResult::kFail, ""}};
  second.spf = {{"bounce.example.net", SpfScope::kMfrom, AuthResult::kSoftfail, ""}};
  second.reasons = {{ReasonType::kLocalPolicy, "arc=fail"}};
  second.envelope_from = "";
  stored.report.policy.pct = 100;
  stored.repairs = {{"date_scaled", "report_metadata/date_range", "1728000000000", "", true}};
  return stored;
}

struct KeyCase {
  std::string name, key, want_hex;
};
const KeyCase kKeyCases[] = {
    {"Report", ReportDbKey(GoldenReport().key),
     "6578616d706c652e636f6d0080004e2000000000000a3f010001"},
    {"Day", DayDbKey(kDomain, kTestDay), "6578616d706c652e636f6d0080004e20"},
    {"DayBefore1970", DayDbKey("a", -1), "61007fffffff"},
    {"OddDomain", DomainDbKey(std::string_view("a\0\1b", 4)),
     "610101010262"
     "00"},
    {"Receipt", ReceiptDbKey(kReceiptTag, 0xa3f01), "5200000000000a3f01"},
    {"Pending", ReceiptDbKey(kPendingTag, 0xa3f01), "5000000000000a3f01"},
    {"Unreadable", ReceiptDbKey(kUnreadableTag, 0xa3f01), "5500000000000a3f01"},
    {"RawCopy", RawCopyKey(std::string(32, '\x22'), 0xa3f01),
     "432222222222222222222200000000000a3f01"},
    {"RawHash", RawHashKey(Sha256("raw")), "48" + Sha256Hex("raw").substr(0, 20)},
    {"Raw", RawDbKey(0xa3f01), "00000000000a3f01"},
    {"RawPiece", RawPieceDbKey(0xa3f01, 1), "00000000000a3f0100000001"},
    {"Document", DocumentIndexKey(Sha256("doc")), "64" + Sha256Hex("doc").substr(0, 20)},
    {"Identity", IdentityIndexKey(GoldenReport()), "6919c69d390d78312d225b"},
    {"PolicyDomain", policy_keys::Domain(kDomain), "446578616d706c652e636f6d00"},
    {"Decision", policy_keys::Decision(kDomain, "a"), "536578616d706c652e636f6d006100"},
    {"Provider", policy_keys::Provider("pdns"), "5070646e7300"},
    {"Change", policy_keys::Change(kDomain, "01a"), "436578616d706c652e636f6d0030316100"},
    {"ChangeId", policy_keys::ChangeId("01a", kDomain), "4e303161006578616d706c652e636f6d00"},
    {"OpenChange", policy_keys::OpenChange("01a", kDomain), "4f303161006578616d706c652e636f6d00"},
    {"Request", policy_keys::Request("al", "1"), "51616c003100"},
    {"RequestTime", policy_keys::RequestTime(absl::UnixEpoch(), "al", "1"),
     "548000000000000000616c003100"},
    {"Observation", policy_keys::Observation(kDomain, {"a", RecordKind::kDmarc}, absl::UnixEpoch()),
     "486578616d706c652e636f6d006100027fffffffffffffff"},
    {"Insight", policy_keys::Insight(kDomain, "a"), "496578616d706c652e636f6d006100"},
    {"Fleet", policy_keys::Fleet("01a"), "4630316100"},
    {"FleetMember", policy_keys::FleetMember("01a", kDomain), "47303161006578616d706c652e636f6d00"},
    {"InsightLook", policy_keys::InsightLook(kDomain), "4a6578616d706c652e636f6d00"},
};
class KeyTest : public testing::TestWithParam<KeyCase> {};
TEST_P(KeyTest, Golden) { EXPECT_EQ(ToHex(GetParam().key), GetParam().want_hex); }
INSTANTIATE_TEST_SUITE_P(All, KeyTest, testing::ValuesIn(kKeyCases),
                         [](const auto& each) { return each.param.name; });

TEST(Keys, SortAsWhatTheyName) {
  std::vector<ReportKey> keys;
  for (const std::string& domain :
       {std::string("a"), std::string("a\0", 2), std::string("a\0b", 3), std::string("a\1"),
        std::string("a\2"), std::string("a.b"), std::string("ab"), std::string("\xff")}) {
    for (const DayNumber day : {0, 255, 256, 20000}) {
      for (const ReceiptId receipt : {ReceiptId{1}, ReceiptId{256}, UINT64_MAX}) {
        for (const uint16_t item : {0, 255, 256, 65535})
          keys.push_back({domain, day, receipt, item});
      }
    }
  }
  ASSERT_TRUE(std::ranges::is_sorted(keys));
  std::string before;
  for (const ReportKey& key : keys) {
    const std::string bytes = ReportDbKey(key);
    EXPECT_LT(before, bytes) << ToHex(bytes);
    EXPECT_EQ(ParseReportDbKey(bytes), key);
    EXPECT_LT(bytes, KeyAfterPrefix(DomainDbKey(key.domain)));
    before = bytes;
  }
}

TEST(Keys, NothingElseParses) {
  const std::string key = ReportDbKey(GoldenReport().key);
  for (size_t n = 0; n < key.size(); ++n) EXPECT_FALSE(ParseReportDbKey(key.substr(0, n))) << n;
  EXPECT_FALSE(ParseReportDbKey(key + "x"));
  EXPECT_FALSE(ParseReportDbKey(std::string("\1\3", 2) + key));
  EXPECT_FALSE(ParseReceiptDbKey('R', "P00000000"));
  EXPECT_FALSE(ParseDayDbKey(key));
  EXPECT_EQ(KeyAfterPrefix("a\xff"), "b");
}

// ---- Values ----

TEST(ReportValue, Golden) {
  EXPECT_EQ(ToHex(EncodeReport(GoldenReport())),
            "01"  // version
            "01"
            "13"
            "00"  // current, accepted; imported, maildir; RFC 7489
            "02"
            "af02"
            "01"  // records, messages, repairs
            "80c0f9ef0c"
            "fec50a"
            "0c"  // begin, end - begin, received - end
            "02000050"
            "c801"
            "00"                      // p=none, pct and domain flags; pct; p as written
            "0a676f6f676c652e636f6d"  // reporter
            "0a676f6f676c652e636f6d"
            "00"
            "00"  // org_name, email, extra_contact_info
            "00"
            "00"
            "00"
            "00"                  // version, namespace, generator, errors
            "083138323733363435"  // report id
            "201111111111111111111111111111111111111111111111111111111111111111"  // document
            "01"
            "0b646174655f7363616c6564"                                // a material repair: code,
            "1a7265706f72745f6d657461646174612f646174655f72616e6765"  // path,
            "0d31373238303030303030303030"
            "00"  // raw, chosen
            "00"  // extensions
            "03"
            "086172633d6661696c"
            "027331"
            "12626f756e63652e6578616d706c652e6e6574"  // texts
            "02"                                      // shapes
            "49"
            "01"
            "00"
            "00"
            "00"
            "00"
            "00"  // none, pass, fail; header_from is text 1
            "53"
            "01"
            "01"
            "00"  // reject, fail, fail; envelope_from is empty
            "01"
            "0502"  // local_policy "arc=fail"
            "01"
            "03010400"  // dkim fail example.com s1
            "01"
            "180500"  // spf mfrom softfail bounce.example.net
            "0000"    // both records have a new shape
            "03"
            "ac02"  // counts
            "02"
            "0102"
            "c0000201"
            "20010db8000000000000000000000001"  // addresses, mixed
            "ff196d3d");                        // checksum
}

// The bytes above are those of a report without a reason, as before there were any.
TEST(ReportValue, AReasonIsOneByteBehindTheClass) {
  const std::string key = ReportDbKey(GoldenReport().key);
  const std::string plain = EncodeReport(GoldenReport());
  for (int i = 1; i <= static_cast<int>(kLastTrustReason); ++i) {
    StoredReport stored = GoldenReport();
    stored.reason = static_cast<TrustReason>(i);
    const std::string value = EncodeReport(stored);
    const std::string_view payload = std::string_view(plain).substr(1, plain.size() - 5);
    EXPECT_EQ(value, Seal(key, 2,
                          fmt::format("{}{}{}", payload.substr(0, 2), static_cast<char>(i),
                                      payload.substr(2))));
    StoredReport got;
    ASSERT_TRUE(DecodeReport(key, value, ReportParts::kHead, &got).ok());
    EXPECT_EQ(got.reason, stored.reason);
    EXPECT_EQ(got.channel, stored.channel);
    // The same object is used again.
    ASSERT_TRUE(DecodeReport(key, plain, ReportParts::kAll, &got).ok());
    EXPECT_EQ(got.reason, TrustReason::kNone);
  }
  StoredReport stored = GoldenReport();
  stored.reason = TrustReason::kHandedIn;
  EXPECT_EQ(ToHex(EncodeReport(stored)).substr(0, 14),
            "02011311"
            "0002af");
  StoredReport got;
  const std::string unknown = Seal(key, 2, std::string("\x01\x13\x7f", 3));
  EXPECT_TRUE(absl::IsDataLoss(DecodeReport(key, unknown, ReportParts::kHead, &got)));
  EXPECT_EQ(DecodeReport(key, Seal(key, 3, "x"), ReportParts::kHead, &got).code(),
            absl::StatusCode::kFailedPrecondition);
}

// Who released it follows, whatever the reason is now.
TEST(ReportValue, AReleaseFollowsTheReason) {
  const std::string key = ReportDbKey(GoldenReport().key);
  for (const TrustReason reason : {TrustReason::kReleased, TrustReason::kNone}) {
    StoredReport stored = GoldenReport();
    stored.reason = reason;
    stored.release = {"local", absl::FromUnixSeconds(1728086405), "why",
                      TrustReason::kIdentityMismatch};
    const std::string value = EncodeReport(stored);
    EXPECT_EQ(ToHex(value).substr(0, 44), std::string("020113") +
                                              (reason == TrustReason::kNone ? "80" : "94") +
                                              "0b"
                                              "8a8684f00c"
                                              "056c6f63616c"
                                              "03776879"
                                              "0002");
    StoredReport got;
    ASSERT_TRUE(DecodeReport(key, value, ReportParts::kHead, &got).ok());
    EXPECT_EQ(got.release, stored.release);
    EXPECT_EQ(got.reason, reason);
    ASSERT_TRUE(DecodeReport(key, value, ReportParts::kAll, &got).ok());
    EXPECT_EQ(EncodeReport(got), value);
    ASSERT_TRUE(DecodeReport(key, EncodeReport(GoldenReport()), ReportParts::kAll, &got).ok());
    EXPECT_EQ(got.release, std::nullopt);
    EXPECT_EQ(EncodeReport(got), EncodeReport(GoldenReport()));
  }
}

TEST(ReceiptValue, Golden) {
  StoredReceipt stored;
  stored.receipt.id = 0xa3f01;
  stored.receipt.raw_sha256 = std::string(32, '\x22');
  stored.receipt.size_bytes = 1000;
  stored.receipt.received_time = absl::FromUnixSeconds(1728086405);
  stored.receipt.channel = Channel::kUpload;
  stored.receipt.file_name = "a.zip";
  stored.receipt.processed = true;
  stored.receipt.subject = "s";
  stored.receipt.from_domain = "google.com";
  ReceiptItem item;
  item.outcome = Outcome::kAccepted;
  item.kind = "aggregate";
  item.domain = kDomain;
  item.report_name = GoldenReport().key.ToId();
  item.records = 2;
  item.messages = 303;
  item.findings = 1;
  item.file_name = "google.com!example.com!1728000000!1728086399.xml.gz";
  stored.items = {item};
  const std::string key = ReceiptDbKey(kReceiptTag, stored.receipt.id);
  const std::string value = EncodeReceipt(key, stored);
  EXPECT_EQ(ToHex(value),
            "02"  // version
            "21"
            "e807"
            "80adfd84efeb9106"  // upload, processed; size; received
            "05612e7a6970"
            "0173"                    // file name, subject
            "0a676f6f676c652e636f6d"  // from domain
            "01"
            "00"
            "09616767726567617465"      // one item: accepted, kind,
            "0b6578616d706c652e636f6d"  // domain,
            "01"
            "a09c01"
            "00"
            "01"  // report: day 20000, this receipt, item 1
            "00"
            "00"  // reason, detail
            "01"
            "0a676f6f676c652e636f6d"
            "00"
            "fec50a"
            "072e786d6c2e677a"  // file name: receiver, begin, end, rest
            "04"
            "de04"
            "02"  // records, messages, findings
            "202222222222222222222222222222222222222222222222222222222222222222"  // raw
            "3d7e838d");                                                          // checksum
  const auto got = DecodeReceipt(key, value);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->items.at(0).report_name, item.report_name);
  EXPECT_EQ(got->items.at(0).file_name, item.file_name);
  EXPECT_EQ(EncodeReceipt(key, *got), value);
}

TEST(ReceiptValue, TheFirstVersionIsRead) {
  const std::string key = ReceiptDbKey(kReceiptTag, 0xa3f01);
  const std::string value = FromHex(
      "0121e80780adfd84efeb910605612e7a697001730a676f6f676c652e636f6d010009616767726567"
      "6174650b6578616d706c652e636f6d01a09c01000100000004de040220" +
      std::string(64, '2') + "8e6f6811");
  const auto got = DecodeReceipt(key, value);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->receipt.file_name, "a.zip");
  EXPECT_EQ(got->items.at(0).file_name, "");
  EXPECT_EQ(got->items.at(0).report_name, GoldenReport().key.ToId());
  EXPECT_EQ(got->items.at(0).findings, 1);
  EXPECT_EQ(got->receipt.raw_sha256, std::string(32, '\x22'));
}

TEST(ReceiptValue, KeepsEveryFileName) {
  StoredReceipt stored;
  stored.receipt.id = 7;
  const std::string key = ReceiptDbKey(kReceiptTag, stored.receipt.id);
  for (const std::string_view name :
       {"", "!", "!!!", "a!example.com!1!2.xml", "!example.com!1!2", "a!example.com!01!2.xml",
        "a!example.com!+1!2.xml", "a!example.com!-1!2.xml", "a!example.com!1!-2.xml",
        "a!example.com!1 !2.xml", "a!example.com!1!2!id.xml.gz", "a!example.com!1!x.xml",
        "a!example.org!1!2.xml", "a!EXAMPLE.com!1!2.xml", "a!example.com!9223372036854775807!0.xml",
        "a!example.com!0!9223372036854775807.xml", "a!example.com!9223372036854775808!0.xml"}) {
    for (const std::string& report : {GoldenReport().key.ToId(), std::string("not the name")}) {
      ReceiptItem item;
      item.domain = kDomain;
      item.report_name = report;
      item.file_name = name;
      stored.items = {item};
      const auto got = DecodeReceipt(key, EncodeReceipt(key, stored));
      ASSERT_TRUE(got.ok()) << name << ": " << got.status();
      EXPECT_EQ(got->items.at(0).file_name, name);
      EXPECT_EQ(got->items.at(0).report_name, report);
    }
  }
}

TEST(ReceiptValue, EnvelopeGolden) {
  StoredReceipt stored;
  stored.receipt.id = 1;
  stored.receipt.raw_sha256 = std::string(32, '\x22');
  stored.receipt.received_time = absl::UnixEpoch();
  stored.receipt.channel = Channel::kSmtp;
  stored.receipt.envelope =
      Envelope{*IpAddress::Parse("192.0.2.1"), "mx.example", "a@b.example", {"r@c.example"}};
  const std::string key = ReceiptDbKey(kReceiptTag, stored.receipt.id);
  const std::string value = EncodeReceipt(key, stored);
  EXPECT_EQ(ToHex(value),
            "02"  // version
            "42"  // smtp, envelope
            "00"
            "00"
            "00"
            "00"
            "00"                                // size, received, file name, subject, from domain
            "00000000000000000000ffffc0000201"  // client
            "0a6d782e6578616d706c65"            // helo
            "0b6140622e6578616d706c65"          // mail from
            "01"
            "0b7240632e6578616d706c65"                                            // one recipient
            "00"                                                                  // items
            "202222222222222222222222222222222222222222222222222222222222222222"  // raw
            "1bcff811");                                                          // checksum
  const auto got = DecodeReceipt(key, value);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->receipt.envelope, stored.receipt.envelope);
  for (size_t size = 0; size + 1 < value.size(); ++size) {
    EXPECT_FALSE(DecodeReceipt(key, value.substr(0, size)).ok()) << size;
  }
}

TEST(SmallValues, Golden) {
  const std::string day_key = DayDbKey(kDomain, kTestDay);
  const DayTotals totals{kTestDay, 1, 2, 303, 3, 3, 0, 0, 3, 0, 300, 0, 0};
  EXPECT_EQ(ToHex(EncodeTotals(day_key, totals)), "010102af02030300000300ac020000438e4651");
  EXPECT_EQ(*DecodeTotals(day_key, EncodeTotals(day_key, totals)), totals);
  const std::string document_key = DocumentIndexKey(Sha256("doc"));
  const std::string ref = EncodeRef(document_key, GoldenReport().key);
  EXPECT_EQ(ToHex(ref), "010b6578616d706c652e636f6da09c0181fe2801b35b3c38");
  EXPECT_EQ(*DecodeRef(document_key, ref), GoldenReport().key);
  const std::string identity_key = IdentityIndexKey(GoldenReport());
  EXPECT_EQ(ToHex(EncodeRevisions(identity_key, {{0xa3f01, 1, TrustClass::kImported, 2}})),
            "0181fe2801030246f423a3");
  EXPECT_EQ(ToHex(EncodeNumber(kFormatKey, 1)), "010145280c61");
  EXPECT_EQ(ToHex(EncodeNumber(kLastReceiptKey, 0xa3f01)), "0181fe2871744d9d");
}

TEST(PolicyValues, Golden) {
  DomainRecord domain;
  domain.name = kDomain;
  domain.uid = "u";
  domain.create_time = domain.update_time = absl::FromUnixSeconds(1728086405);
  domain.managed_terms = {{"include:a.example", "a"}};
  domain.revision = 1;
  EXPECT_EQ(ToHex(EncodeRecord(policy_keys::Domain(kDomain), domain)),
            "01"  // version
            "0801"
            "120b6578616d706c652e636f6d"  // revision, name
            "1a0175"
            "20c0d6bec2f7f58803"  // uid, create time
            "28c0d6bec2f7f58803"  // update time
            "4216"
            "0a11696e636c7564653a612e6578616d706c65"
            "120161"      // a managed term
            "202a9b62");  // checksum

  // What was written before there were report addresses is read as it was.
  const std::string key = policy_keys::Domain(kDomain), old = EncodeRecord(key, domain);
  domain.report_addresses = {{"r@x", domain.create_time, domain.update_time}};
  const std::string with = EncodeRecord(key, domain);
  EXPECT_EQ(ToHex(with).substr(2 * (old.size() - 4), 50),
            "4a17"
            "0a03724078"
            "10c0d6bec2f7f58803"    // address, create time
            "18c0d6bec2f7f58803");  // revoke time
  DomainRecord got;
  ASSERT_TRUE(DecodeRecord(key, with, &got).ok());
  EXPECT_EQ(got.report_addresses, domain.report_addresses);
  ASSERT_TRUE(DecodeRecord(key, old, &got).ok());
  EXPECT_TRUE(got.report_addresses.empty());
}

TEST(PolicyValues, GoldenObservation) {
  Observation seen;
  seen.values = {"v=DMARC1; p=none"};
  seen.ttl_seconds = 300;
  seen.from_servers = true;
  seen.dnssec = DnssecState::kInsecure;
  seen.last_seen = absl::FromUnixSeconds(1728086405);
  const std::string key =
      policy_keys::Observation(kDomain, {"a", RecordKind::kDmarc}, absl::UnixEpoch());
  EXPECT_EQ(ToHex(EncodeRecord(key, seen)),
            "01"                                    // version
            "0801"                                  // records
            "1a10763d444d415243313b20703d6e6f6e65"  // a value
            "28ac02"                                // TTL
            "3001"                                  // of the servers
            "4801"                                  // not signed
            "50c0d6bec2f7f58803"
            "7a597594");  // last seen, checksum
  Observation got;
  ASSERT_TRUE(DecodeRecord(key, EncodeRecord(key, seen), &got).ok());
  EXPECT_EQ(got.first_seen, absl::UnixEpoch()) << "which is in the key";
}

TEST(PolicyValues, GoldenInsight) {
  InsightRecord insight;
  insight.id = "a";
  insight.code = "SPF_DANGLING";
  insight.severity = Severity::kError;
  insight.subject = "example.com";
  insight.metadata = {{"target", "t"}};
  insight.first_seen = absl::FromUnixSeconds(1728086405);
  insight.last_seen = insight.first_seen;
  const std::string key = policy_keys::Insight(kDomain, "a");
  EXPECT_EQ(ToHex(EncodeRecord(key, insight)),
            "01"                                      // version
            "0801"                                    // revision
            "120c5350465f44414e474c494e47"            // code
            "18032001"                                // error, active
            "320b6578616d706c652e636f6d"              // subject
            "620b0a06746172676574120174"              // metadata
            "78c0d6bec2f7f588038001c0d6bec2f7f58803"  // first and last seen
            "900101"                                  // active once
            "e98f265a");                              // checksum
  InsightRecord got;
  ASSERT_TRUE(DecodeRecord(key, EncodeRecord(key, insight), &got).ok());
  EXPECT_EQ(got, insight) << "the id is in the key";
}

TEST(PolicyValues, UnknownEnumIsDataLoss) {
  const std::string key = policy_keys::Change(kDomain, "01a");
  ChangeRecord change;
  change.domain = kDomain;
  change.id = "01a";
  ChangeRecord got;
  EXPECT_TRUE(DecodeRecord(key, EncodeRecord(key, change), &got).ok());
  for (const int state : {0, 12}) {
    change.state = static_cast<ChangeState>(state);
    EXPECT_EQ(DecodeRecord(key, EncodeRecord(key, change), &got).code(),
              absl::StatusCode::kDataLoss);
  }
}

// ---- Properties of report values ----

// Everything that is stored, compared field by field.
void ExpectSame(const StoredReport& got, const StoredReport& want) {
  EXPECT_EQ(got.key, want.key);
  EXPECT_EQ(got.report.metadata, want.report.metadata);
  EXPECT_EQ(got.report.policy, want.report.policy);
  EXPECT_EQ(got.report.records, want.report.records);
  EXPECT_EQ(got.report, want.report);
  EXPECT_EQ(got.outcome, want.outcome);
  EXPECT_EQ(got.repairs, want.repairs);
  EXPECT_EQ(got.trust, want.trust);
  EXPECT_EQ(got.reporter_key, want.reporter_key);
  EXPECT_EQ(got.document_sha256, want.document_sha256);
  EXPECT_EQ(got.received_time, want.received_time);
  EXPECT_EQ(got.channel, want.channel);
  EXPECT_EQ(got.current, want.current);
  EXPECT_EQ(got.record_count, static_cast<int64_t>(want.report.records.size()));
  EXPECT_EQ(got.message_count, want.report.messages());
  EXPECT_EQ(got.repair_count, static_cast<int64_t>(want.repairs.size()));
}

TEST(ReportValue, AnyReportComesBackWhole) {
  std::mt19937_64 random(20261124);
  StoredReport got, head;  // used again and again, as ForEachReport() does
  for (int i = 0; i < 3000; ++i) {
    SCOPED_TRACE(i);
    StoredReport want = RandomReport(random);
    want.key.receipt = random();
    want.current = random() % 2 == 0;
    want.received_time = absl::FromUnixSeconds(absl::ToUnixSeconds(want.received_time));
    want.report.metadata.begin = static_cast<int64_t>(random());  // any two numbers
    want.report.metadata.end = static_cast<int64_t>(random());
    const std::string key = ReportDbKey(want.key);
    const std::string value = EncodeReport(want);
    const absl::Status status = DecodeReport(key, value, ReportParts::kAll, &got);
    ASSERT_TRUE(status.ok()) << status;
    ExpectSame(got, want);
    ASSERT_TRUE(DecodeReport(key, value, ReportParts::kHead, &head).ok());
    EXPECT_EQ(head.record_count, got.record_count);
    got.report.records.clear();
    got.report.extensions.clear();
    got.report.metadata.errors.clear();
    EXPECT_EQ(head.report, got.report);
    EXPECT_TRUE(head.repairs.empty());
    DayTotals totals;
    AddToTotals(want.report, &totals);
    const uint64_t expanded = ExpandedBytes(want);
    PackReport(&want);
    EXPECT_TRUE(want.report.records.empty() && want.repairs.empty());
    EXPECT_EQ(want.packed->totals, totals);
    EXPECT_EQ(ExpandedBytes(want), expanded);
    EXPECT_EQ(EncodeReport(want), value);
    if (HasFailure()) break;
  }
}

TEST(ReportValue, AFlippedBitIsDataLossAndNeverAnotherReport) {
  const StoredReport report = GoldenReport();
  const std::string key = ReportDbKey(report.key);
  const std::string value = EncodeReport(report);
  StoredReport got;
  for (size_t i = 0; i < value.size() * 8; ++i) {
    std::string flipped = value;
    flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << (i % 8)));
    for (const ReportParts parts : {ReportParts::kHead, ReportParts::kAll}) {
      EXPECT_EQ(DecodeReport(key, flipped, parts, &got).code(), absl::StatusCode::kDataLoss) << i;
    }
  }
  ReportKey other = report.key;
  ++other.day;
  EXPECT_EQ(DecodeReport(ReportDbKey(other), value, ReportParts::kHead, &got).code(),
            absl::StatusCode::kDataLoss);
}

// Bytes with a right checksum and wrong content: a bug or an attacker. Nothing may crash or take
// memory without bound.
TEST(ReportValue, WellSealedNonsenseIsRefusedOrDecodes) {
  std::mt19937_64 random(7);
  const StoredReport report = GoldenReport();
  const std::string key = ReportDbKey(report.key);
  const std::string value = EncodeReport(report);
  const std::string payload = value.substr(1, value.size() - 5);
  StoredReport got;
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string mutated = payload;
    for (uint64_t n = 1 + random() % 3; n > 0; --n) {
      mutated[random() % mutated.size()] = static_cast<char>(random());
    }
    if (random() % 4 == 0) mutated.resize(random() % mutated.size());
    const uint8_t version = random() % 2 == 0 ? kPlainReport : kReasonedReport;
    const absl::Status status =
        DecodeReport(key, Seal(key, version, mutated), ReportParts::kAll, &got);
    if (status.ok()) continue;
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    ++refused;
  }
  EXPECT_GT(refused, 5000);
}

// A few kilobytes that say gigabytes: one long text that every record repeats, many results in a
// shape that every record repeats, one text in all results of one shape.
TEST(ReportValue, WhatExpandsTooFarIsRefusedByWriterAndReader) {
  struct Case {
    std::string name;
    size_t records, results, text_bytes;
  };
  const size_t mib = 1 << 20;
  for (const Case& c : {Case{"text", 170, 0, mib}, Case{"shape", 400, 1 << 12, 0},
                        Case{"results", 1, 170, mib}, Case{"text_that_fits", 150, 0, mib}}) {
    SCOPED_TRACE(c.name);
    StoredReport report = GoldenReport();
    report.repairs.clear();
    AggregateRecord record = report.report.records[0];
    DkimAuth result;
    result.domain = std::string(c.text_bytes, 'd');
    record.dkim.assign(c.results, result);
    record.envelope_from = std::string(c.text_bytes, 'e');
    report.report.records.assign(c.records, record);
    const bool fits = c.name == "text_that_fits";
    ASSERT_EQ(ExpandedBytes(report) <= kMaxExpandedBytes, fits) << ExpandedBytes(report);
    CommitBatch::Processed processed;
    processed.receipt = report.key.receipt;
    const std::string key = ReportDbKey(report.key);
    const std::string value = EncodeReport(report);
    ProcessedItem& item = processed.items.emplace_back();
    item.report = std::move(report);
    const auto want = fits ? absl::StatusCode::kOk : absl::StatusCode::kInvalidArgument;
    EXPECT_EQ(CheckProcessed(processed).code(), want);
    PackReport(&*item.report);
    EXPECT_EQ(CheckProcessed(processed).code(), want);
    StoredReport got;
    EXPECT_EQ(DecodeReport(key, value, ReportParts::kAll, &got).code(),
              fits ? absl::StatusCode::kOk : absl::StatusCode::kDataLoss);
    EXPECT_TRUE(DecodeReport(key, value, ReportParts::kHead, &got).ok());
  }
}

TEST(ReportValue, TheSameShapeCostsAFewBytes) {
  std::vector<uint64_t> counts(1000, 5);
  const StoredReport report = MakeReport(kDomain, kTestDay, "id", "doc", counts);
  EXPECT_LT(EncodeReport(report).size(), 1000 * 5 + 300);  // address and count
}

}  // namespace
}  // namespace dmarcate
