// The bytes of TLS reports and failure reports at rest; the golden ones are those of docs/store.md.

#include <random>
#include <string>

#include "gtest/gtest.h"

#include "lib/base/text.h"
#include "lib/store/failure_codec.h"
#include "lib/store/key_codec.h"
#include "lib/store/tls_codec.h"
#include "tests/lib/store/store_testing.h"

namespace dmarcate {
namespace {

StoredTlsReport GoldenTlsReport() {
  StoredTlsReport stored = MakeTlsReport("example.com", kTestDay, "18273645", "doc", 300, 2);
  stored.key.receipt = 0xa3f01;
  stored.key.item = 1;
  stored.document_sha256 = std::string(32, '\x11');
  stored.report.contact_info = "tls@google.com";
  stored.repairs = {{"count_text", "policies[1]", "2", "2", false}};
  TlsReport::PolicyResult& policy = stored.report.policies[0];
  policy.policy_strings = {"mx: a"};
  policy.mx_hosts = {"a"};
  policy.failures = {{"certificate-expired", "192.0.2.1", "a", "", "192.0.2.9", "", "X509", 2}};
  return stored;
}

TEST(TlsReportValue, Golden) {
  EXPECT_EQ(ToHex(TlsDocumentIndexKey(std::string(32, '\x11'))), "7411111111111111111111");
  EXPECT_EQ(ToHex(TlsIdentityIndexKey(GoldenTlsReport())), "7619c69d390d78312d225b");
  EXPECT_EQ(ToHex(EncodeTlsReport(GoldenTlsReport())),
            "01"
            "01"
            "13"
            "8a8684f00c"  // version; current, accepted; imported, maildir; received
            "80c0f9ef0c"
            "fe8584f00c"  // begin, end
            "0a676f6f676c652e636f6d"
            "0b476f6f676c6520496e632e"  // reporter, organization
            "0e746c7340676f6f676c652e636f6d"
            "083138323733363435"  // contact, report id
            "201111111111111111111111111111111111111111111111111111111111111111"  // document
            "01"
            "00"
            "0a636f756e745f74657874"
            "0b706f6c69636965735b315d"
            "0132"
            "0132"  // repairs
            "01"
            "03737473"
            "01"  // policies: type, the domain is the key's,
            "01"
            "056d783a2061"
            "01"
            "0161"
            "ac02"
            "02"  // policy strings, hosts, sessions
            "01"
            "1363657274696669636174652d65787069726564"
            "093139322e302e322e31"
            "0161"
            "00"
            "093139322e302e322e39"
            "00"
            "0458353039"
            "02"          // failure details
            "784b9722");  // checksum
}

// What has no reason has the bytes that it had before there were any.
TEST(TlsReportValue, AReasonIsOneByteBehindTheClass) {
  StoredTlsReport stored = GoldenTlsReport();
  const std::string plain = EncodeTlsReport(stored);
  stored.reason = TrustReason::kKeyGone;
  const std::string value = EncodeTlsReport(stored);
  EXPECT_EQ(value.size(), plain.size() + 1);
  EXPECT_EQ(ToHex(value).substr(0, 18),
            "02011307"
            "8a8684f00c");
  StoredTlsReport got;
  ASSERT_TRUE(DecodeTlsReport(ReportDbKey(stored.key), value, ReportParts::kAll, &got).ok());
  EXPECT_EQ(got.reason, TrustReason::kKeyGone);
  EXPECT_EQ(EncodeTlsReport(got), value);
  ASSERT_TRUE(DecodeTlsReport(ReportDbKey(stored.key), plain, ReportParts::kAll, &got).ok());
  EXPECT_EQ(got.reason, TrustReason::kNone);
}

TEST(FailureReportValue, AReasonIsOneByteBehindTheClass) {
  StoredFailureReport stored = MakeFailureReport("example.com", kTestDay, "doc");
  const std::string plain = EncodeFailureReport(stored);
  stored.reason = TrustReason::kSignatureFailed;
  const std::string value = EncodeFailureReport(stored);
  EXPECT_EQ(value.size(), plain.size() + 1);
  EXPECT_EQ(ToHex(value).substr(0, 8), "02011304");
  const auto got = DecodeFailureReport(ReportDbKey(stored.key), value);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->reason, TrustReason::kSignatureFailed);
  EXPECT_EQ(got->received_time, stored.received_time);
  EXPECT_EQ(DecodeFailureReport(ReportDbKey(stored.key), plain)->reason, TrustReason::kNone);
}

TEST(TlsReportValue, RoundTrips) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 1000; ++i) {
    StoredTlsReport stored = RandomTlsReport(random);
    stored.key.receipt = random();
    const std::string key = ReportDbKey(stored.key), value = EncodeTlsReport(stored);
    StoredTlsReport whole, head;
    ASSERT_TRUE(DecodeTlsReport(key, value, ReportParts::kAll, &whole).ok());
    EXPECT_EQ(EncodeTlsReport(whole), value);
    EXPECT_EQ(whole.key, stored.key);
    EXPECT_EQ(whole.repairs, stored.repairs);
    CountParts(&stored);
    ASSERT_TRUE(DecodeTlsReport(key, value, ReportParts::kHead, &head).ok());
    EXPECT_TRUE(head.report.policies.empty());
    EXPECT_EQ(head.policy_count, stored.policy_count);
    EXPECT_EQ(head.detail_count, stored.detail_count);
    EXPECT_EQ(head.failed_sessions, stored.failed_sessions);
    EXPECT_EQ(head.report.report_id, stored.report.report_id);
  }
}

TEST(TlsReportValue, WhatIsDamagedIsDataLoss) {
  const std::string key = ReportDbKey(GoldenTlsReport().key);
  const std::string value = EncodeTlsReport(GoldenTlsReport());
  StoredTlsReport out;
  for (size_t i = 0; i < value.size(); ++i) {
    std::string flipped = value;
    flipped[i] = static_cast<char>(flipped[i] ^ 4);
    EXPECT_TRUE(absl::IsDataLoss(DecodeTlsReport(key, flipped, ReportParts::kAll, &out))) << i;
    EXPECT_TRUE(
        absl::IsDataLoss(DecodeTlsReport(key, value.substr(0, i), ReportParts::kHead, &out)));
  }
  EXPECT_TRUE(absl::IsDataLoss(DecodeTlsReport(key + "x", value, ReportParts::kAll, &out)));
}

TEST(FailureReportValue, Golden) {
  StoredFailureReport stored = MakeFailureReport("example.com", kTestDay, "doc");
  stored.key.receipt = 0xa3f01;
  stored.key.item = 1;
  stored.document_sha256 = std::string(32, '\x11');
  stored.repairs = {{"ip_comment", "Source-IP", "a", "b", false}};
  EXPECT_EQ(ToHex(FailureDocumentIndexKey(std::string(32, '\x11'))), "6611111111111111111111");
  const std::string key = ReportDbKey(stored.key), value = EncodeFailureReport(stored);
  EXPECT_EQ(ToHex(value),
            "01"
            "01"
            "13"
            "8ac0f9ef0c"  // version; redacted, accepted; imported, maildir; received
            "201111111111111111111111111111111111111111111111111111111111111111"  // document
            "01"
            "03"
            "02"
            "05646d617263"
            "04646b696d"  // domain, incidents, ways to fail
            "0c617574682d6661696c757265"
            "074c75612f312e30"
            "0131"
            "093139322e302e322e31"
            "0a323032342d31302d3034"
            "0672656a656374"
            "046e6f6e65"
            "06642e74657374"
            "027331"
            "03747874"
            "066d2e74657374"
            "06662e74657374"
            "136d782e746573743b20646d6172633d6661696c"
            "0c3c722d3040662e746573743e"  // texts
            "01"
            "00"
            "0a69705f636f6d6d656e74"
            "09536f757263652d4950"
            "0161"
            "0162"        // repairs
            "71ff3084");  // checksum
  const auto read = DecodeFailureReport(key, value);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->report, stored.report);
  EXPECT_EQ(read->repairs, stored.repairs);
  EXPECT_EQ(EncodeFailureReport(*read), value);
  for (size_t i = 0; i < value.size(); ++i) {
    std::string flipped = value;
    flipped[i] = static_cast<char>(flipped[i] ^ 4);
    EXPECT_TRUE(absl::IsDataLoss(DecodeFailureReport(key, flipped).status())) << i;
    EXPECT_TRUE(absl::IsDataLoss(DecodeFailureReport(key, value.substr(0, i)).status())) << i;
  }
}

}  // namespace
}  // namespace dmarcate
