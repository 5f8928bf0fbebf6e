#include "tests/conformance/vendor_conformance.h"

#include <algorithm>

#include "fmt/format.h"
#include <gmock/gmock.h>

#include "tests/testing/status_matchers.h"

namespace dmarcate {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;
using testing_support::IsOk;
using testing_support::StatusIs;
using Kind = testing_support::VendorServer::Kind;
using Moment = testing_support::VendorServer::Moment;

std::vector<std::string> VendorConformanceTest::Served() {
  std::vector<std::string> texts;
  for (const TxtRecord& record : server().Served(owner_)) texts.push_back(record.Joined());
  return texts;
}

HttpResponse VendorConformanceTest::Error(int status, const std::string& retry_after,
                                          const std::string& message) {
  HttpResponse response = server().ErrorResponse(status, message);
  if (!retry_after.empty()) response.headers.push_back({"retry-after", retry_after});
  return response;
}

void VendorConformanceTest::Inject(Kind kind, Moment moment, absl::StatusOr<HttpResponse> outcome,
                                   int times) {
  server().Inject({kind, moment, std::move(outcome), nullptr, times});
}

TEST_P(VendorConformanceTest, AnAnswerThatIsLostLeavesTheOutcomeUnknown) {
  ASSERT_THAT(Apply({}, {"one"}), IsOk());
  Inject(Kind::kWrite, Moment::kAfter, absl::UnknownError("reset after sending"));
  EXPECT_THAT(Apply({"one"}, {"two"}), StatusIs(absl::StatusCode::kUnknown));
  EXPECT_THAT(Served(), ElementsAre("two"));
  const int writes = server().writes();
  EXPECT_THAT(Apply({"one"}, {"two"}), IsOk());
  EXPECT_EQ(server().writes(), writes);
  // A creation above all: once more would make two.
  ASSERT_THAT(Apply({"two"}, {}), IsOk());
  Inject(Kind::kWrite, Moment::kAfter, absl::UnknownError("timeout after sending"));
  EXPECT_THAT(Apply({}, {"three"}), StatusIs(absl::StatusCode::kUnknown));
  EXPECT_THAT(Apply({}, {"three"}), IsOk());
  EXPECT_THAT(Served(), ElementsAre("three"));
  Inject(Kind::kWrite, Moment::kAfter, absl::UnknownError("timeout after sending"));
  EXPECT_THAT(Apply({"three"}, {}), StatusIs(absl::StatusCode::kUnknown));
  EXPECT_THAT(Apply({"three"}, {}), IsOk());
  EXPECT_THAT(Served(), IsEmpty());
}

TEST_P(VendorConformanceTest, ARequestThatIsLostLeavesTheOutcomeUnknown) {
  ASSERT_THAT(Apply({}, {"one"}), IsOk());
  Inject(Kind::kWrite, Moment::kBefore, absl::UnknownError("timeout after sending"));
  EXPECT_THAT(Apply({"one"}, {"two"}), StatusIs(absl::StatusCode::kUnknown));
  EXPECT_THAT(Served(), ElementsAre("one"));
  EXPECT_THAT(Apply({"one"}, {"two"}), IsOk());
  EXPECT_THAT(Served(), ElementsAre("two"));
}

TEST_P(VendorConformanceTest, AServerErrorAfterAWriteIsUnknownBeforeOrAfterTheEffect) {
  std::vector<std::string> now;
  for (const int status : {500, 502, 503, 504}) {
    for (const Moment moment : {Moment::kBefore, Moment::kAfter}) {
      SCOPED_TRACE(status);
      const std::vector<std::string> next = {
          fmt::format("{} {}", status, static_cast<int>(moment))};
      Inject(Kind::kWrite, moment, Error(status));
      const absl::Status applied = Apply(now, next);
      if (applied.code() == absl::StatusCode::kUnavailable) {
        // Some hosts throttle by 503: then nothing may have been written.
        EXPECT_EQ(status, 503);
      } else {
        EXPECT_THAT(applied, StatusIs(absl::StatusCode::kUnknown));
      }
      EXPECT_THAT(Apply(now, next), IsOk());
      EXPECT_EQ(Served(), next);
      now = next;
    }
  }
}

TEST_P(VendorConformanceTest, ARequestThatWasNotSentChangedNothing) {
  ASSERT_THAT(Apply({}, {"one"}), IsOk());
  Inject(Kind::kWrite, Moment::kBefore, absl::UnavailableError("connection refused"), 100);
  EXPECT_THAT(Apply({"one"}, {"two"}), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Served(), ElementsAre("one"));
}

TEST_P(VendorConformanceTest, AThrottledReadWaitsAsLongAsItIsAsked) {
  ASSERT_THAT(Apply({}, {"one"}), IsOk());
  const absl::Duration start = host_->clock().Monotonic();
  Inject(Kind::kRead, Moment::kBefore, Error(429, "3"), 2);
  DMARCATE_ASSERT_OK_AND_ASSIGN(const RrSet rrset, provider().ReadRrSet(zone_, owner_));
  EXPECT_EQ(rrset.records, Records({"one"}));
  EXPECT_GE(host_->clock().Monotonic() - start, absl::Seconds(6));
}

TEST_P(VendorConformanceTest, AReadThatFailsForAMomentIsRepeated) {
  ASSERT_THAT(Apply({}, {"one"}), IsOk());
  for (const int status : {500, 502, 503, 504}) {
    Inject(Kind::kRead, Moment::kBefore, Error(status));
    EXPECT_EQ(provider().ReadRrSet(zone_, owner_)->records, Records({"one"})) << status;
  }
  Inject(Kind::kRead, Moment::kBefore, absl::UnknownError("reset"));
  Inject(Kind::kRead, Moment::kBefore, absl::UnavailableError("refused"));
  EXPECT_EQ(provider().ReadRrSet(zone_, owner_)->records, Records({"one"}));
  EXPECT_EQ(server().pending_faults(), 0u);
}

TEST_P(VendorConformanceTest, AReadThatIsRefusedIsNotRepeated) {
  ASSERT_THAT(Apply({}, {"one"}), IsOk());
  for (const int status : {400, 403, 404}) {
    const int before = server().requests();
    Inject(Kind::kRead, Moment::kBefore, Error(status));
    EXPECT_FALSE(provider().ReadRrSet(zone_, owner_).ok()) << status;
    EXPECT_EQ(server().requests(), before + 1) << status;
  }
}

TEST_P(VendorConformanceTest, AReadThatKeepsFailingEndsByTheDeadline) {
  const absl::Duration start = host_->clock().Monotonic();
  Inject(Kind::kRead, Moment::kBefore, Error(503), 1000);
  EXPECT_THAT(provider().ReadRrSet(zone_, owner_), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_LE(host_->clock().Monotonic() - start, absl::Minutes(1));
}

TEST_P(VendorConformanceTest, AThrottledWriteIsRepeatedOnce) {
  ASSERT_THAT(Apply({}, {"one"}), IsOk());
  const int writes = server().writes();
  const absl::Duration start = host_->clock().Monotonic();
  Inject(Kind::kWrite, Moment::kBefore, Error(429, "5"));
  EXPECT_THAT(Apply({"one"}, {"two"}), IsOk());
  EXPECT_GE(host_->clock().Monotonic() - start, absl::Seconds(5));
  EXPECT_EQ(server().writes(), writes + 1);
  EXPECT_THAT(Served(), ElementsAre("two"));
}

TEST_P(VendorConformanceTest, AThrottledWriteIsComparedAgain) {
  ASSERT_THAT(Apply({}, {"one"}), IsOk());
  server().Inject({Kind::kWrite, Moment::kBefore, Error(429, "5"),
                   [this] { server().SetTxt(owner_, Records({"foreign"})); }});
  EXPECT_THAT(Apply({"one"}, {"two"}), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(Served(), ElementsAre("foreign"));
}

TEST_P(VendorConformanceTest, ALongThrottleIsShownAndNotSleptThrough) {
  ASSERT_THAT(Apply({}, {"one"}), IsOk());
  const absl::Duration start = host_->clock().Monotonic();
  Inject(Kind::kWrite, Moment::kBefore, Error(429, "7200"));
  EXPECT_THAT(Apply({"one"}, {"two"}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("7200 s")));
  EXPECT_LE(host_->clock().Monotonic() - start, absl::Seconds(10));
  EXPECT_THAT(Served(), ElementsAre("one"));
}

TEST_P(VendorConformanceTest, NonsenseIsNoAnswer) {
  ASSERT_THAT(Apply({}, {"one"}), IsOk());
  HttpResponse page;
  page.status = 200;
  page.body = "<html>we are sorry";
  Inject(Kind::kRead, Moment::kAfter, page);
  EXPECT_THAT(provider().ReadRrSet(zone_, owner_), StatusIs(absl::StatusCode::kDataLoss));
  HttpResponse elsewhere;
  elsewhere.status = 302;
  elsewhere.headers = {{"location", "https://evil.test/"}};
  Inject(Kind::kRead, Moment::kBefore, elsewhere);
  EXPECT_THAT(provider().ReadRrSet(zone_, owner_), StatusIs(absl::StatusCode::kDataLoss));
  Inject(Kind::kRead, Moment::kBefore, absl::ResourceExhaustedError("over 16 MiB"));
  EXPECT_THAT(provider().ReadRrSet(zone_, owner_), StatusIs(absl::StatusCode::kDataLoss));
  Inject(Kind::kWrite, Moment::kBefore, elsewhere);
  EXPECT_THAT(Apply({"one"}, {"two"}), StatusIs(absl::StatusCode::kUnknown));
  for (const HttpRequest& request : server().log())
    EXPECT_THAT(request.url, Not(HasSubstr("evil")));
}

TEST_P(VendorConformanceTest, WritesThatDoNotShowAreUnknown) {
  ASSERT_THAT(Apply({}, {"one"}), IsOk());
  const auto before = Records({"one"});
  server().Inject(
      {Kind::kWrite, Moment::kAfter, {}, [&] { server().SetTxt(owner_, before, 3600); }});
  EXPECT_THAT(Apply({"one"}, {"two"}), StatusIs(absl::StatusCode::kUnknown));
}

TEST_P(VendorConformanceTest, NoSecretIsInAMessage) {
  ASSERT_THAT(Apply({}, {"one"}), IsOk());
  const std::string secret =
      host_->setup().canary.empty() ? host_->setup().secret : host_->setup().canary;
  const std::string part = secret.substr(secret.size() / 2);
  for (const int status : {400, 401, 403, 404, 409, 422, 429, 500}) {
    for (const Kind kind : {Kind::kRead, Kind::kWrite}) {
      Inject(kind, Moment::kBefore, Error(status, "", "bad token \x1b[31m" + secret + " given"),
             1000);
      const absl::Status status_of_it = Apply({"one"}, {"two"});
      EXPECT_FALSE(status_of_it.ok());
      EXPECT_THAT(status_of_it.ToString(), Not(HasSubstr(part))) << status;
      EXPECT_THAT(status_of_it.ToString(), Not(HasSubstr("\x1b"))) << status;
      EXPECT_THAT(status_of_it.ToString(), HasSubstr("zone example.test: " + host_->setup().type));
      server().ClearFaults();
    }
  }
  EXPECT_THAT(Served(), ElementsAre("one"));
}

TEST_P(VendorConformanceTest, AZoneThatIsNotThere) {
  EXPECT_THAT(provider().ReadRrSet(TestName("other.test"), TestName("_dmarc.other.test")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("other.test")));
  EXPECT_THAT(provider().FindZone(TestName("_dmarc.other.test")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("other.test")));
}

TEST_P(VendorConformanceTest, AForeignWriteBetweenComparingAndWritingIsNotLost) {
  ASSERT_THAT(Apply({}, {"one"}), IsOk());
  server().Inject({Kind::kWrite, Moment::kBefore, {}, [this] {
                     server().AddRecord({.owner = owner_, .strings = {"foreign"}, .ttl = 3600});
                   }});
  const absl::Status applied = Apply({"one"}, {"two"});
  switch (provider().provider_class()) {
    case ProviderClass::kA:
      EXPECT_THAT(applied, StatusIs(absl::StatusCode::kAborted));
      EXPECT_THAT(Served(), UnorderedElementsAre("one", "foreign"));
      break;
    case ProviderClass::kB:  // the record is changed, the other stays, and it is seen
      EXPECT_THAT(applied, StatusIs(absl::StatusCode::kUnknown));
      EXPECT_THAT(Served(), UnorderedElementsAre("two", "foreign"));
      break;
    default:  // the window that the class stands for
      break;
  }
}

TEST_P(VendorConformanceTest, EveryPageIsRead) {
  server().SetPageSize(2);
  std::vector<std::string> texts;
  for (int i = 0; i < 7; ++i) {
    server().AddZone(fmt::format("zone{}.test", i));
    texts.push_back(fmt::format("text {}", i));
  }
  server().SetTxt(owner_, Records(texts), 3600);
  EXPECT_EQ(provider().ListZones()->size(), 8u);
  const std::shared_ptr<DnsProvider> fresh = host_->Open("right");
  EXPECT_EQ(fresh->FindZone(TestName("a.zone6.test")).value(), TestName("zone6.test"));
  EXPECT_TRUE(SameTexts(fresh->ReadRrSet(zone_, owner_)->records, Records(texts)));
  std::vector<std::string> after = texts;
  after[6] = "changed";
  EXPECT_THAT(Apply(texts, after), IsOk());
  EXPECT_TRUE(SameTexts(server().Served(owner_), Records(after)));
}

TEST_P(VendorConformanceTest, SeveralRecordsInOneChange) {
  ASSERT_THAT(Apply({}, {"stays", "v=spf1 -all", "goes"}), IsOk());
  EXPECT_THAT(Apply({"stays", "v=spf1 -all", "goes"}, {"v=spf1 mx -all", "stays"}), IsOk());
  EXPECT_THAT(Served(), UnorderedElementsAre("stays", "v=spf1 mx -all"));
  EXPECT_THAT(Apply({"stays", "v=spf1 mx -all"}, {"a", "b", "c", "stays"}), IsOk());
  EXPECT_THAT(Served(), UnorderedElementsAre("stays", "a", "b", "c"));
  EXPECT_THAT(Apply({"stays", "a", "b", "c"}, {}), IsOk());
  EXPECT_THAT(Served(), IsEmpty());
}

TEST_P(VendorConformanceTest, ARecordThatCannotBeDecodedIsNotTakenForAbsent) {
  const std::string raw = host_->setup().undecodable;
  if (raw.empty()) GTEST_SKIP() << "every text is a record here";
  server().SetTxt(owner_, Records({"one"}), 3600);
  server().AddRecord({.owner = owner_, .raw = raw, .ttl = 3600});
  const absl::Status read = provider().ReadRrSet(zone_, owner_).status();
  EXPECT_THAT(read, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("_dmarc.example.test")));
  const auto strange = [&] {
    return std::ranges::count(server().RecordsAt(owner_), raw, &testing_support::VendorRecord::raw);
  };
  EXPECT_THAT(Apply({"one"}, {"two"}), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Apply({"one"}, {}), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Apply({}, {"three"}), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(strange(), 1);
  EXPECT_EQ(server().writes(), 0);
  EXPECT_THAT(Served(), ElementsAre("one"));
}

TEST_P(VendorConformanceTest, TestFindsARightThatIsMissing) {
  EXPECT_EQ(provider().Test().state, ProviderTest::State::kWorking) << provider().Test().message;
  server().ForbidRecords();
  const ProviderTest test = provider().Test();
  EXPECT_EQ(test.state, ProviderTest::State::kCredentialRefused) << test.message;
  EXPECT_THAT(test.message, HasSubstr("records"));
}

TEST_P(VendorConformanceTest, TestWarnsOfACredentialForManyZones) {
  for (int i = 0; i < 3; ++i) server().AddZone(fmt::format("zone{}.test", i));
  const ProviderTest test = provider().Test();
  EXPECT_EQ(test.state, ProviderTest::State::kWorking) << test.message;
  EXPECT_THAT(test.warnings, testing::Contains(HasSubstr("4 zones")));
}

}  // namespace dmarcate
