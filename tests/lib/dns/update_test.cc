// UPDATE messages: what we build, and what recorded answers of BIND mean.
#include "lib/dns/update.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "lib/dns/tsig.h"
#include "lib/dns/update_message.h"
#include "tests/lib/dns/scripted_server.h"
#include "tests/testing/process.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/test_data.h"

namespace dmarcate {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing_support::IsOk;
using testing_support::StatusIs;
using Protocol = ScriptedServer::Protocol;
using std::string_literals::operator""s;
using Replies = std::vector<ScriptedReply>;

constexpr char kSecret[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }
TsigKey Key(std::string_view algorithm = "hmac-sha256") {
  return *MakeTsigKey("upd", algorithm, Secret(kSecret));
}
TxtRrSetUpdate Swap() {
  return {Name("example.test"),
          Name("_dmarc.example.test"),
          {MakeTxtRecord("old")},
          {MakeTxtRecord("new")},
          300};
}

TEST(MakeTsigKey, ChecksWithoutQuotingTheSecret) {
  EXPECT_THAT(MakeTsigKey("Upd.", "HMAC-SHA512.", Secret(kSecret)), IsOk());
  EXPECT_THAT(MakeTsigKey("upd", "hmac-sha256", Secret("not base64!")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("key upd"), Not(HasSubstr("not base64!")))));
  EXPECT_THAT(MakeTsigKey("upd", "hmac-sha256", Secret("")),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(MakeTsigKey("upd", "hmac-md5", Secret(kSecret)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("hmac-sha256")));
}

// RFC 2136 section 2.4 and 2.5, octet by octet: classes, TTLs and counts decide what is done.
TEST(BuildUpdate, SwapsWithAValuePrerequisite) {
  const auto message = BuildUpdate(Swap(), Key(), 0x1234, kNow);
  ASSERT_THAT(message, IsOk());
  const std::string hex = ToHex(message->wire);
  // Opcode 5; ZO 1, PR 1, UP 2, AD 1; example.test SOA IN.
  EXPECT_THAT(hex, testing::StartsWith("1234280000010001000200010765"
                                       "78616d706c65047465737400"
                                       "00060001"));
  EXPECT_THAT(hex, HasSubstr("00100001000000000004"
                             "036f6c64"));              // prerequisite: IN, TTL 0, "old"
  EXPECT_THAT(hex, HasSubstr("001000ff000000000000"));  // delete the RRset: ANY, empty
  EXPECT_THAT(hex, HasSubstr("001000010000012c0004"
                             "036e6577"));  // add: IN, TTL 300, "new"
  EXPECT_THAT(hex, HasSubstr(ToHex("hmac-sha256")));
}

TEST(BuildUpdate, AnAbsentRrSetMustBeAbsent) {
  TxtRrSetUpdate update = Swap();
  update.before.clear();
  const auto message = BuildUpdate(update, Key(), 1, kNow);
  ASSERT_THAT(message, IsOk());
  const std::string hex = ToHex(message->wire);
  EXPECT_THAT(hex, HasSubstr("001000fe000000000000"));       // NONE, empty
  EXPECT_THAT(hex, Not(HasSubstr("001000ff000000000000")));  // nothing is deleted
}

TEST(BuildUpdate, RefusesWhatNoMessageCanSay) {
  TxtRrSetUpdate update = Swap();
  update.owner = Name("_dmarc.other.test");
  EXPECT_THAT(BuildUpdate(update, Key(), 1, kNow), StatusIs(absl::StatusCode::kInvalidArgument));
  update = Swap();
  update.after = {TxtRecord{}};
  EXPECT_THAT(BuildUpdate(update, Key(), 1, kNow), StatusIs(absl::StatusCode::kInvalidArgument));
  update.after = {TxtRecord{{std::string(256, 'a')}}};
  EXPECT_THAT(BuildUpdate(update, Key(), 1, kNow), StatusIs(absl::StatusCode::kInvalidArgument));
  update.after.assign(300, MakeTxtRecord(std::string(255, 'a')));
  EXPECT_THAT(BuildUpdate(update, Key(), 1, kNow),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("60000")));
}

TEST(DnsUpdateClient, SaysWhetherAnythingWasSent) {
  const ServerAddress nobody{*IpAddress::Parse("127.0.0.1"), testing_support::FreePort()};
  EXPECT_THAT(DnsUpdateClient(nobody, Key()).Apply(Swap()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("nothing was sent")));
  ScriptedServer hangs_up([](std::string_view, Protocol) -> Replies { return {}; });
  EXPECT_THAT(DnsUpdateClient(hangs_up.address(), Key()).Apply(Swap()),
              StatusIs(absl::StatusCode::kUnknown, HasSubstr("outcome unknown")));
}

// What nobody signed proves nothing: neither that it was done nor that it was not.
struct UnsignedCase {
  std::string name;
  int rcode;
  absl::StatusCode want;
};
const UnsignedCase kUnsigned[] = {
    {"NoError", 0, absl::StatusCode::kUnknown},
    {"NxRrSet", 8, absl::StatusCode::kUnknown},
    {"ServFail", 2, absl::StatusCode::kUnknown},
    {"Refused", 5, absl::StatusCode::kPermissionDenied},
    {"NotAuth", 9, absl::StatusCode::kPermissionDenied},
};
class UnsignedAnswer : public testing::TestWithParam<UnsignedCase> {};
TEST_P(UnsignedAnswer, Case) {
  ScriptedServer server([](std::string_view query, Protocol) -> Replies {
    const ReplyFlags flags{.rcode = GetParam().rcode};
    std::string other = ReplyTo(query, flags, {});
    other[0] = static_cast<char>(other[0] ^ 1);  // another id: read on
    return {{other}, {ReplyTo(query, flags, {})}};
  });
  EXPECT_THAT(DnsUpdateClient(server.address(), Key()).Apply(Swap()), StatusIs(GetParam().want));
}
INSTANTIATE_TEST_SUITE_P(All, UnsignedAnswer, testing::ValuesIn(kUnsigned),
                         [](const auto& instance) { return instance.param.name; });

// An answer without records, signed by the server: RFC 8945 section 5.3.1 by hand.
std::string SignedAnswer(const SignedMessage& request, const TsigKey& key, int rcode) {
  const std::string bare =
      request.wire.substr(0, 2) + "\xA8"s + static_cast<char>(rcode) + std::string(8, '\0');
  const SignedMessage as_request = *SignMessage(bare, key, request.signed_at);
  const auto octets = [](uint64_t value, int count) {
    std::string out;
    while (count-- > 0) out += static_cast<char>(value >> (8 * count) & 0xFF);
    return out;
  };
  const std::string input =
      octets(request.mac.size(), 2) + request.mac + bare + WireName(key.name.text()) +
      octets(255, 2) + octets(0, 4) + WireName(ToString(key.algorithm)) +
      octets(static_cast<uint64_t>(absl::ToUnixSeconds(request.signed_at)), 6) + octets(300, 2) +
      octets(0, 4);
  std::string answer = as_request.wire;
  answer.replace(answer.find(as_request.mac), as_request.mac.size(),
                 HmacSha256("0123456789abcdef", input));
  return answer;
}

TEST(InterpretUpdateReply, ASignedServfailProvesNothing) {
  const TsigKey key = *MakeTsigKey("key", "hmac-sha256", Secret("MDEyMzQ1Njc4OWFiY2RlZg=="));
  const SignedMessage request = *BuildUpdate(Swap(), key, 1, kNow);
  EXPECT_THAT(InterpretUpdateReply(request, key, SignedAnswer(request, key, 0)), IsOk());
  EXPECT_THAT(InterpretUpdateReply(request, key, SignedAnswer(request, key, 8)),
              StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(InterpretUpdateReply(request, key, SignedAnswer(request, key, 2)),
              StatusIs(absl::StatusCode::kUnknown, HasSubstr("SERVFAIL, outcome unknown")));
}

TEST(SignMessage, MakesTheRecordedMacs) {
  DMARCATE_CORPUS_OR_SKIP(path, "dns-wire/tsig-update.jsonl");
  int compared = 0;
  for (const std::string& line : testing_support::ReadLines(path)) {
    const auto entry = nlohmann::json::parse(line);
    SCOPED_TRACE(entry.at("case").get<std::string>());
    if (!entry.contains("key") || !entry.at("request_tsig").is_object()) continue;
    const auto& tsig = entry.at("request_tsig");
    if (!tsig.at("verifies").get<bool>() || tsig.at("fudge").get<int>() != 300) continue;
    const auto key =
        MakeTsigKey(entry.at("key").get<std::string>(), entry.at("algorithm").get<std::string>(),
                    Secret(entry.at("secret_base64").get<std::string>()));
    if (!key.ok()) continue;
    // The message before it was signed: without the TSIG at its end, which begins with the key's
    // name.
    std::string message = FromHex(entry.at("request").get<std::string>());
    const size_t tsig_size = WireName(key->name.text()).size() + 10 +
                             WireName(ToString(key->algorithm)).size() + 16 +
                             tsig.at("mac").get<std::string>().size() / 2;
    const std::string whole = message;
    message.resize(message.size() - tsig_size);
    // Requests that were spoiled after signing, or name the key in capitals.
    if (whole.substr(message.size(), key->name.text().size() + 1) !=
            WireName(key->name.text()).substr(0, key->name.text().size() + 1) ||
        whole.substr(whole.size() - 6, 2) != whole.substr(0, 2)) {
      continue;
    }
    message[11] = 0;
    const auto made =
        SignMessage(message, *key, absl::FromUnixSeconds(tsig.at("time").get<int64_t>()));
    ASSERT_THAT(made, IsOk());
    EXPECT_EQ(ToHex(made->mac), tsig.at("mac").get<std::string>());
    EXPECT_EQ(ToHex(made->wire), ToHex(whole));
    ++compared;
  }
  EXPECT_GT(compared, 10);
}

TEST(InterpretUpdateReply, RecordedAnswersOfBind) {
  DMARCATE_CORPUS_OR_SKIP(path, "dns-wire/tsig-update.jsonl");
  const std::map<std::string, absl::StatusCode> codes = {
      {"NOERROR", absl::StatusCode::kOk},
      {"NXRRSET", absl::StatusCode::kAborted},
      {"YXRRSET", absl::StatusCode::kAborted},
      {"NXDOMAIN", absl::StatusCode::kAborted},
      {"YXDOMAIN", absl::StatusCode::kAborted},
      {"NOTZONE", absl::StatusCode::kInvalidArgument},
      {"REFUSED", absl::StatusCode::kPermissionDenied},
      {"NOTAUTH", absl::StatusCode::kPermissionDenied},
      {"FORMERR", absl::StatusCode::kInternal},
  };
  int verified = 0;
  for (const std::string& line : testing_support::ReadLines(path)) {
    const auto entry = nlohmann::json::parse(line);
    SCOPED_TRACE(entry.at("case").get<std::string>());
    if (!entry.contains("key") || !entry.at("request_tsig").is_object()) continue;
    const auto key =
        MakeTsigKey(entry.at("key").get<std::string>(), entry.at("algorithm").get<std::string>(),
                    Secret(entry.at("secret_base64").get<std::string>()));
    if (!key.ok()) continue;  // an algorithm that we do not offer
    SignedMessage request;
    request.wire = FromHex(entry.at("request").get<std::string>());
    request.mac = FromHex(entry.at("request_tsig").at("mac").get<std::string>());
    request.signed_at = absl::FromUnixSeconds(entry.at("request_tsig").at("time").get<int64_t>());
    const std::string reply = FromHex(entry.at("response").get<std::string>());
    EXPECT_TRUE(IsReplyToUpdate(request, reply));
    const absl::Status status = InterpretUpdateReply(request, *key, reply);
    const auto& tsig = entry.at("response_tsig");
    const bool vouched = tsig.is_object() && tsig.at("verifies").get<bool>();
    const std::string rcode = entry.at("rcode").get<std::string>();
    if (vouched && tsig.at("error").get<int>() == 18) {
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("clock")));
    } else if (vouched || rcode == "NOTAUTH" || rcode == "REFUSED") {
      ASSERT_TRUE(codes.contains(rcode)) << rcode;
      EXPECT_EQ(status.code(), codes.at(rcode)) << status;
    } else {
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnknown));
    }
    if (!vouched) continue;
    ++verified;
    // One changed octet anywhere, and the key does not vouch for it any more. The time field may
    // hide a change from nobody; header flags, rcode and id are all covered.
    for (size_t at = 0; at < reply.size(); ++at) {
      std::string changed = reply;
      changed[at] = static_cast<char>(changed[at] ^ 1);
      if (!IsReplyToUpdate(request, changed)) continue;
      const absl::Status forged = InterpretUpdateReply(request, *key, changed);
      EXPECT_THAT(forged, Not(IsOk())) << at;
      EXPECT_NE(forged.code(), absl::StatusCode::kAborted) << at;
      EXPECT_FALSE(CheckReply(request, *key, changed).vouched) << at;
    }
  }
  EXPECT_GT(verified, 10);
}

}  // namespace
}  // namespace dmarcate
