// Settings, credentials and messages of the hosts of hosted_types.h, as far as no host is asked.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policyd/provider/azure/azure_api.h"
#include "policyd/provider/googleclouddns/google_api.h"
#include "policyd/provider/googleclouddns/jwt.h"
#include "policyd/provider/hosted_types.h"
#include "policyd/provider/route53/route53_api.h"
#include "policyd/provider/route53/route53_message.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing_support::IsOk;
using testing_support::StatusIs;

TEST(HostedTypesTest, EachSaysWhichSettingIsWrong) {
  for (const HostedType& type : HostedTypes()) {
    SCOPED_TRACE(std::string(type.name));
    EXPECT_EQ(FindHostedType(type.name), &type);
    EXPECT_THAT(ValidateHosted(type, {{"no_such", "x"}}),
                StatusIs(absl::StatusCode::kInvalidArgument));
    HostedSettings settings;
    for (const HostedSetting& setting : type.settings) {
      if (setting.need == HostedSetting::Need::kRequired) {
        EXPECT_THAT(ValidateHosted(type, settings),
                    StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(setting.name)));
        settings[std::string(setting.name)] = "a-1";
      }
    }
    EXPECT_THAT(ValidateHosted(type, settings), IsOk());
    // The class that is promised before opening is the one that the adapter has.
    EXPECT_EQ((*type.open(settings, Secret()))->provider_class(), type.provider_class);
    EXPECT_EQ((*type.open(settings, Secret()))->host(), type.name);
  }
  EXPECT_EQ(FindHostedType("route66"), nullptr);
  const struct {
    std::string type, key, value;
  } cases[] = {{"route53", "partition", "aws-mars"},
               {"googleclouddns", "project", "a/b"},
               {"azuredns", "tenant_id", "../x"},
               {"azuredns", "cloud", "mars"},
               {"azuredns", "resource_group", "a?b"}};
  for (const auto& c : cases) {
    HostedSettings settings;
    if (c.type == "azuredns") {
      settings = {{"tenant_id", "t"}, {"client_id", "c"}, {"subscription_id", "s"}};
    }
    settings[c.key] = c.value;
    EXPECT_THAT(ValidateHosted(*FindHostedType(c.type), settings),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.key)));
  }
}

TEST(AwsCredentialTest, ReadsOneProfile) {
  const AwsCredential read = ParseAwsCredential(
                                 "# of mail\n[mail]\r\naws_access_key_id=AKID\nregion = eu-west-1\n"
                                 "aws_secret_access_key = s3cr=et/+ \naws_session_token = t0ken\n")
                                 .value();
  EXPECT_EQ(read.access_key_id, "AKID");
  EXPECT_EQ(read.secret_access_key.Reveal(), "s3cr=et/+");
  EXPECT_EQ(read.session_token.Reveal(), "t0ken");
  for (const std::string bad :
       {"", "s3cret", "aws_access_key_id = A", "aws_secret_access_key = s3cret",
        "aws_access_key_id = A\naws_secret_access_key = s3cret\naws_access_key_id = B"}) {
    EXPECT_THAT(ParseAwsCredential(bad),
                StatusIs(absl::StatusCode::kInvalidArgument, Not(HasSubstr("s3cret"))))
        << bad;
  }
}

TEST(GoogleKeyFileTest, TheTokenGoesToGoogleOnly) {
  const auto file = [](const std::string& uri) {
    return R"({"type":"service_account","client_email":"a@b","private_key":"-----","token_uri":")" +
           uri + "\"}";
  };
  EXPECT_THAT(ParseGoogleKeyFile(file("https://oauth2.googleapis.com/token")), IsOk());
  for (const std::string bad :
       {"http://oauth2.googleapis.com/token", "https://evil.test/token",
        "https://oauth2.googleapis.com.evil.test/", "https://oauth2.googleapis.com@evil.test/",
        "https://evil.test/?oauth2.googleapis.com", ""}) {
    EXPECT_THAT(ParseGoogleKeyFile(file(bad)), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
  for (const std::string bad : {"", "[]", "{}", R"({"type":"authorized_user"})",
                                R"({"type":"service_account","client_email":"a@b"})"}) {
    EXPECT_THAT(ParseGoogleKeyFile(bad), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
  EXPECT_THAT(SignJwtRs256("{}", "{}", Secret("no key")),
              StatusIs(absl::StatusCode::kInvalidArgument, Not(HasSubstr("no key"))));
  EXPECT_EQ(Base64UrlEncode("\xfb\xff"), "-_8");
}

TEST(AzureAllowsTest, PatternsOfRoles) {
  const std::string write = "Microsoft.Network/dnsZones/TXT/write";
  EXPECT_TRUE(AzureAllows({"*"}, {}, write));
  EXPECT_TRUE(AzureAllows({"microsoft.network/DNSZONES/*"}, {}, write));
  EXPECT_TRUE(AzureAllows({"*/write"}, {}, write));
  EXPECT_TRUE(AzureAllows({write}, {}, write));
  EXPECT_FALSE(AzureAllows({"*/read"}, {}, write));
  EXPECT_FALSE(AzureAllows({"Microsoft.Network/dnsZones/MX/*"}, {}, write));
  EXPECT_FALSE(AzureAllows({"*"}, {"Microsoft.Network/dnsZones/*/write"}, write));
  EXPECT_FALSE(AzureAllows({}, {}, write));
  EXPECT_FALSE(AzureAllows({"****************************x"}, {}, write));
}

TEST(Route53MessageTest, SetsThatAreNotPlainAreNotChanged) {
  const auto list = [](const std::string& more) {
    return "<ListResourceRecordSetsResponse><ResourceRecordSets><ResourceRecordSet>"
           "<Name>_dmarc.example.test.</Name><Type>TXT</Type>" +
           more +
           "<ResourceRecords><ResourceRecord><Value>\"a\\041\"</Value></ResourceRecord>"
           "</ResourceRecords></ResourceRecordSet></ResourceRecordSets>"
           "<IsTruncated>false</IsTruncated></ListResourceRecordSetsResponse>";
  };
  const DomainName owner = DomainName::Parse("_dmarc.example.test").value();
  const HostedRrSet plain = ParseRoute53RrSets(list("<TTL>300</TTL>"), owner)->rrset;
  EXPECT_EQ(plain.refuse, "");
  EXPECT_EQ(plain.ttl_seconds, 300u);
  EXPECT_THAT(Decoded(plain).value(), ElementsAre(TxtRecord{{"a!"}}));
  for (const std::string more : {"<SetIdentifier>x</SetIdentifier><Weight>1</Weight><TTL>1</TTL>",
                                 "<TTL>1</TTL><HealthCheckId>h</HealthCheckId>",
                                 "<TTL>1</TTL><TrafficPolicyInstanceId>t</TrafficPolicyInstanceId>",
                                 "<AliasTarget><DNSName>x.</DNSName></AliasTarget>"}) {
    EXPECT_NE(ParseRoute53RrSets(list(more), owner)->rrset.refuse, "") << more;
  }
  EXPECT_THAT(
      ParseRoute53RrSets(list(""), DomainName::Parse("example.test").value())->rrset.records,
      IsEmpty());
  for (const std::string bad : {"", "<", "<a/>", "<ListResourceRecordSetsResponse/>"}) {
    EXPECT_THAT(ParseRoute53RrSets(bad, owner), StatusIs(absl::StatusCode::kDataLoss)) << bad;
  }
  EXPECT_THAT(ParseRoute53RrSets(list("<TTL>-1</TTL>"), owner),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST(Route53MessageTest, ErrorsByCode) {
  const auto failure = [](const std::string& code, const std::string& message = "") {
    return ParseRoute53Error("<ErrorResponse><Error><Code>" + code + "</Code><Message>" + message +
                                 "</Message></Error></ErrorResponse>",
                             400)
        .failure;
  };
  EXPECT_EQ(failure("Throttling"), ApiFailure::kThrottled);
  EXPECT_EQ(failure("PriorRequestNotComplete"), ApiFailure::kThrottled);
  EXPECT_EQ(failure("SignatureDoesNotMatch"), ApiFailure::kCredential);
  EXPECT_EQ(failure("NoSuchHostedZone"), ApiFailure::kMissing);
  EXPECT_EQ(failure("InvalidChangeBatch", "but it was not found"), ApiFailure::kConflict);
  EXPECT_EQ(failure("InvalidChangeBatch", "values provided do not match the current values"),
            ApiFailure::kConflict);
  EXPECT_EQ(failure("InvalidChangeBatch", "Value is too long"), ApiFailure::kRefused);
  EXPECT_EQ(failure("InvalidInput"), ApiFailure::kRefused);
  const ApiError old = ParseRoute53Error(
      "<InvalidChangeBatch><Messages><Message>already exists</Message></Messages>"
      "</InvalidChangeBatch>",
      400);
  EXPECT_EQ(old.failure, ApiFailure::kConflict);
  EXPECT_EQ(old.said, "InvalidChangeBatch: already exists");
  EXPECT_EQ(ParseRoute53Error("<html>", 502).failure, ApiFailure::kTransient);
}

TEST(GoogleErrorTest, AQuotaIsAThrottleOfAMinute) {
  const auto api = OpenGoogleCloudDns({{"project", "p"}}, Secret());
  ASSERT_TRUE(api.ok()) << api.status();
  const auto error = [&](const std::string& reason) {
    HttpResponse response;
    response.status = 403;
    response.body =
        R"({"error": {"code": 403, "message": "m", "errors": [{"reason": ")" + reason + R"("}]}})";
    return *(*api)->ErrorOf(response);
  };
  EXPECT_EQ(error("quotaExceeded").failure, ApiFailure::kThrottled);
  EXPECT_EQ(error("quotaExceeded").retry_after, absl::Minutes(1));
  EXPECT_EQ(error("rateLimitExceeded").failure, ApiFailure::kThrottled);
  EXPECT_EQ(error("rateLimitExceeded").retry_after, absl::ZeroDuration());
  EXPECT_EQ(error("forbidden").failure, ApiFailure::kCredential);
}

}  // namespace
}  // namespace dmarcate
