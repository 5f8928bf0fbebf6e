#include "policyd/provider/api/call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/http/fake_transport.h"
#include "policyd/provider/api/json.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing_support::IsOk;
using testing_support::StatusIs;

class PlainDialect final : public ApiDialect {
 public:
  std::string_view host() const override { return "host"; }
  absl::Status Authorize(ApiCall&, HttpRequest& request) override {
    request.headers.push_back({"X-Key", "s3cret-k3y"});
    ++authorized;
    return absl::OkStatus();
  }
  std::optional<ApiError> ErrorOf(const HttpResponse& response) const override {
    const std::optional<ApiFailure> failure = FailureOfStatus(response.status);
    if (!failure) return std::nullopt;
    return ApiError{*failure, response.body};
  }
  // The second is a part of what stands in place of a secret.
  std::vector<std::string> Secrets() const override { return {"s3cret-k3y", "secret", ""}; }
  int authorized = 0;
};

class ApiCallTest : public testing::Test {
 protected:
  ApiCallTest()
      : http_([this](const HttpRequest& request) { return Answer(request); }),
        world_{http_, clock_, [this](absl::Duration d) {
                 slept_.push_back(d);
                 clock_.Advance(d);
               }} {}
  absl::StatusOr<HttpResponse> Answer(const HttpRequest& request) {
    last_ = request;
    if (answers_.empty()) {
      HttpResponse response;
      response.status = 200;
      return response;
    }
    absl::StatusOr<HttpResponse> answer = answers_.front();
    answers_.erase(answers_.begin());
    return answer;
  }
  void Say(int status, std::string body = "", std::vector<HttpHeader> headers = {}) {
    HttpResponse response;
    response.status = status;
    response.body = std::move(body);
    response.headers = std::move(headers);
    answers_.push_back(response);
  }
  absl::Status Read() {
    ApiCall call(world_, dialect_, absl::Seconds(30));
    return call.Read({.url = "https://api.test/x"}).status();
  }
  absl::Status Write() {
    ApiCall call(world_, dialect_, absl::Seconds(30));
    return call.Write({.method = "PUT", .url = "https://api.test/x", .body = "{}"}).status();
  }

  std::vector<absl::StatusOr<HttpResponse>> answers_;
  std::vector<absl::Duration> slept_;
  HttpRequest last_;
  FakeClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  FakeHttpTransport http_;
  PlainDialect dialect_;
  ApiWorld world_;
};

TEST_F(ApiCallTest, EveryStatus) {
  const struct {
    int status;
    absl::StatusCode read, write;
    size_t read_requests;
  } cases[] = {
      {200, absl::StatusCode::kOk, absl::StatusCode::kOk, 1},
      {204, absl::StatusCode::kOk, absl::StatusCode::kOk, 1},
      {301, absl::StatusCode::kDataLoss, absl::StatusCode::kUnknown, 1},
      {400, absl::StatusCode::kInvalidArgument, absl::StatusCode::kInvalidArgument, 1},
      {401, absl::StatusCode::kPermissionDenied, absl::StatusCode::kPermissionDenied, 1},
      {403, absl::StatusCode::kPermissionDenied, absl::StatusCode::kPermissionDenied, 1},
      {404, absl::StatusCode::kNotFound, absl::StatusCode::kNotFound, 1},
      {408, absl::StatusCode::kUnavailable, absl::StatusCode::kUnknown, 5},
      {409, absl::StatusCode::kAborted, absl::StatusCode::kAborted, 1},
      {412, absl::StatusCode::kAborted, absl::StatusCode::kAborted, 1},
      {422, absl::StatusCode::kInvalidArgument, absl::StatusCode::kInvalidArgument, 1},
      {429, absl::StatusCode::kUnavailable, absl::StatusCode::kUnavailable, 5},
      {500, absl::StatusCode::kUnavailable, absl::StatusCode::kUnknown, 5},
      {503, absl::StatusCode::kUnavailable, absl::StatusCode::kUnknown, 5},
      {100, absl::StatusCode::kDataLoss, absl::StatusCode::kUnknown, 1},
  };
  for (const auto& c : cases) {
    for (int i = 0; i < 10; ++i) Say(c.status);
    http_.ClearRequests();
    EXPECT_EQ(Read().code(), c.read) << c.status;
    EXPECT_EQ(http_.requests().size(), c.read_requests) << c.status;
    http_.ClearRequests();
    EXPECT_EQ(Write().code(), c.write) << c.status;
    EXPECT_EQ(http_.requests().size(), 1u) << c.status;
    answers_.clear();
  }
}

TEST_F(ApiCallTest, EveryTransportError) {
  const struct {
    absl::StatusCode code, read, write;
    size_t read_requests;
  } cases[] = {
      {absl::StatusCode::kUnavailable, absl::StatusCode::kUnavailable,
       absl::StatusCode::kUnavailable, 5},
      {absl::StatusCode::kUnknown, absl::StatusCode::kUnavailable, absl::StatusCode::kUnknown, 5},
      {absl::StatusCode::kResourceExhausted, absl::StatusCode::kDataLoss,
       absl::StatusCode::kUnknown, 1},
      {absl::StatusCode::kCancelled, absl::StatusCode::kDataLoss, absl::StatusCode::kUnknown, 1},
      {absl::StatusCode::kFailedPrecondition, absl::StatusCode::kUnavailable,
       absl::StatusCode::kUnavailable, 1},
  };
  for (const auto& c : cases) {
    for (int i = 0; i < 10; ++i) answers_.push_back(absl::Status(c.code, "x"));
    http_.ClearRequests();
    EXPECT_EQ(Read().code(), c.read) << absl::StatusCodeToString(c.code);
    EXPECT_EQ(http_.requests().size(), c.read_requests) << absl::StatusCodeToString(c.code);
    EXPECT_EQ(Write().code(), c.write) << absl::StatusCodeToString(c.code);
    answers_.clear();
  }
}

TEST_F(ApiCallTest, PausesGrowAndEachAttemptIsAuthorized) {
  for (int i = 0; i < 4; ++i) Say(500);
  EXPECT_THAT(Read(), IsOk());
  EXPECT_EQ(dialect_.authorized, 5);
  ASSERT_EQ(slept_.size(), 4u);
  for (size_t i = 1; i < slept_.size(); ++i) EXPECT_GT(slept_[i], slept_[i - 1]);
}

TEST_F(ApiCallTest, RetryAfterInSecondsAndAsADate) {
  Say(429, "", {{"retry-after", "7"}});
  Say(503, "", {{"retry-after", "Fri, 15 Jan 2027 08:00:18 GMT"}});  // 11 s after it
  EXPECT_THAT(Read(), IsOk());
  EXPECT_THAT(slept_, ElementsAre(absl::Seconds(7), absl::Seconds(11)));
  for (const std::string nonsense : {"", "soon", "-5", "Fri, 15 Jan 2027"}) {
    Say(429, "", {{"retry-after", nonsense}});
    EXPECT_THAT(Read(), IsOk()) << nonsense;
  }
  Say(429, "", {{"retry-after", "99999999999999999999"}});
  EXPECT_THAT(Read(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(ApiCallTest, NoAnswerHoldsAnAccountForMoreThanAnHour) {
  world_.pace = std::make_shared<AccountPace>(RateLimit{});
  Say(429, "", {{"retry-after", "9999999"}});
  EXPECT_THAT(Read(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(world_.pace->HeldFor(clock_.Monotonic()), absl::Hours(1));
  clock_.Advance(absl::Hours(1));
  // Our clock is a year behind.
  Say(429, "", {{"retry-after", "Sat, 15 Jan 2028 08:00:18 GMT"}});
  EXPECT_THAT(Read(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(world_.pace->HeldFor(clock_.Monotonic()), absl::Hours(1));
  clock_.Advance(absl::Hours(1));
  EXPECT_THAT(Read(), IsOk());
}

TEST_F(ApiCallTest, TheDeadlineIsOfTheWholeCall) {
  for (int i = 0; i < 10; ++i) Say(503, "", {{"retry-after", "12"}});
  const absl::Status status = Read();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("asks to wait 12 s")));
  EXPECT_THAT(slept_, ElementsAre(absl::Seconds(12), absl::Seconds(12)));
  EXPECT_EQ(last_.deadline, absl::Seconds(6));
}

TEST_F(ApiCallTest, MessagesAreCutAndClean) {
  Say(400, "\x1b[31m the key s3cret-k3y, once more: s3cret-k3y \xff" + std::string(5000, 'x'));
  const std::string message = Read().ToString();
  EXPECT_THAT(message, HasSubstr("host: http 400: "));
  EXPECT_THAT(message, Not(HasSubstr("s3cret")));
  EXPECT_THAT(message, Not(HasSubstr("\x1b")));
  EXPECT_LT(message.size(), 600u);
  // The cut would leave half of it.
  Say(400, std::string(295, 'y') + "s3cret-k3y");
  EXPECT_THAT(Read().ToString(), Not(HasSubstr("s3c")));
}

TEST_F(ApiCallTest, AllAnswersToOneCallAreBoundedTogether) {
  const std::string page(size_t{12} << 20, 'x');
  for (int i = 0; i < 4; ++i) Say(200, page);
  ApiCall call(world_, dialect_, absl::Seconds(30));
  EXPECT_THAT(call.Read({.url = "https://api.test/1"}), IsOk());
  EXPECT_THAT(call.Read({.url = "https://api.test/2"}), IsOk());
  EXPECT_THAT(call.Read({.url = "https://api.test/3"}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("32 MiB")));
  // A write that was done is not made another by what was read before.
  EXPECT_THAT(call.Write({.method = "PUT", .url = "https://api.test/4", .body = "{}"}), IsOk());
}

TEST(PageGuardTest, EndsCirclesAndWalksWithoutEnd) {
  PageGuard circle;
  EXPECT_THAT(circle.Next("a"), IsOk());
  EXPECT_THAT(circle.Next("b"), IsOk());
  EXPECT_THAT(circle.Next("a"), StatusIs(absl::StatusCode::kDataLoss));
  PageGuard endless;
  size_t pages = 0;
  while (endless.Next(std::to_string(pages)).ok()) ++pages;
  EXPECT_EQ(pages, PageGuard::kMaxPages);
}

TEST(ApiJsonTest, IsNotReadDeeperThanItIsWalked) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + R"("[[ \" [[")" + std::string(depth, ']');
  };
  EXPECT_FALSE(ParseJson(nested(64)).is_discarded());
  EXPECT_TRUE(ParseJson(nested(65)).is_discarded());
  EXPECT_TRUE(ParseJson(std::string(4'000'000, '[')).is_discarded());
}

TEST(ApiJsonTest, ReadsWhatIsThereAndOfItsType) {
  const Json object = ParseJson(
      R"({"s":"x","n":7,"t":"600","big":9007199254740993,"neg":-1,"f":1.5,"b":true,"null":null})");
  EXPECT_EQ(StringAt(object, "s"), "x");
  EXPECT_EQ(StringAt(object, "n"), std::nullopt);
  EXPECT_EQ(NumberAt(object, "n"), 7u);
  EXPECT_EQ(NumberAt(object, "t"), 600u);
  for (const char* key : {"big", "neg", "f", "s", "null", "none"}) {
    EXPECT_EQ(NumberAt(object, key), std::nullopt) << key;
  }
  EXPECT_EQ(TtlAt(ParseJson(R"({"ttl":2147483648})"), "ttl"), std::nullopt);
  EXPECT_EQ(TtlAt(ParseJson(R"({"ttl":2147483647})"), "ttl"), 2147483647u);
  EXPECT_EQ(IdAt(object, "n"), "7");
  EXPECT_EQ(IdAt(object, "s"), "x");
  EXPECT_EQ(IdAt(ParseJson(R"({"id":""})"), "id"), std::nullopt);
  EXPECT_EQ(BoolAt(object, "b"), true);
  EXPECT_EQ(BoolAt(object, "n"), std::nullopt);
  for (const char* text : {"", "[", "null", "7", "[1]"}) {
    EXPECT_EQ(StringAt(ParseJson(text), "s"), std::nullopt) << text;
  }
  EXPECT_EQ(ToText(Json{{"a", "\xc3\xbc\xff"}}), R"({"a":"\u00fc\ufffd"})");
}

}  // namespace
}  // namespace dmarcate
