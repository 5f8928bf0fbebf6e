#include "lib/rpc/errors.h"

#include <set>

#include "gtest/gtest.h"

#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

TEST(RpcErrors, EveryReasonHasItsOwnNameAndAnErrorCode) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(Reason::kBug); ++i) {
    const auto reason = static_cast<Reason>(i);
    EXPECT_TRUE(names.insert(ReasonName(reason)).second) << ReasonName(reason);
    EXPECT_NE(CodeOf(reason), grpc::StatusCode::OK);
  }
  EXPECT_EQ(ReasonName(Reason::kRateLimited), "RATE_LIMITED");
  EXPECT_EQ(CodeOf(Reason::kEtagMismatch), grpc::StatusCode::ABORTED);
}

TEST(RpcErrors, TheClientGetsBackWhatWasPutIn) {
  const grpc::Status status =
      MakeRpcError({.reason = Reason::kSpfLookupLimit,
                    .message = "spf of example.com: 12 lookups, limit 10",
                    .metadata = {{"lookups", "12"}, {"limit", "10"}},
                    .fields = {{"source.term", "one too many"}},
                    .preconditions = {{"SPF_LOOKUP_LIMIT", "example.com TXT", "12 lookups"}},
                    .retry_after = absl::Milliseconds(1500),
                    .help_url = "https://docs.example/spf"});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  const ReceivedError got = ExtractError(status);
  EXPECT_EQ(got.reason, "SPF_LOOKUP_LIMIT");
  EXPECT_EQ(got.message, "spf of example.com: 12 lookups, limit 10");
  EXPECT_EQ(got.metadata.at("lookups"), "12");
  ASSERT_EQ(got.fields.size(), 1u);
  EXPECT_EQ(got.fields[0].field, "source.term");
  ASSERT_EQ(got.preconditions.size(), 1u);
  EXPECT_EQ(got.preconditions[0].subject, "example.com TXT");
  EXPECT_EQ(got.retry_after, absl::Milliseconds(1500));
  EXPECT_EQ(got.help_url, "https://docs.example/spf");
}

TEST(RpcErrors, DetailsStayBelowTheLimitAndKeepTheReason) {
  RpcError error{.reason = Reason::kFieldInvalid, .message = std::string(100'000, 'm')};
  for (int i = 0; i < 500; ++i) {
    error.fields.push_back({"field", std::string(2000, 'x')});
    error.metadata["key" + std::to_string(i)] = std::string(2000, 'v');
  }
  const grpc::Status status = MakeRpcError(error);
  EXPECT_LE(status.error_details().size(), kErrorDetailsLimitBytes);
  EXPECT_EQ(ExtractError(status).reason, "FIELD_INVALID");
  EXPECT_EQ(ExtractError(status).metadata.at("violations"), "500");
}

TEST(RpcErrors, AtMostTwentyViolationsAreListed) {
  RpcError error{.reason = Reason::kFieldInvalid, .message = "many"};
  for (int i = 0; i < 21; ++i) error.fields.push_back({"f", "short"});
  const ReceivedError got = ExtractError(MakeRpcError(error));
  EXPECT_EQ(got.fields.size(), kErrorViolationsLimit);
  EXPECT_EQ(got.metadata.at("violations"), "21");
}

TEST(RpcErrors, BytesThatAreNoUtf8StillReachTheClient) {
  const ReceivedError got = ExtractError(MakeRpcError(
      {.reason = Reason::kFieldInvalid, .message = "bad \xff", .metadata = {{"v", "\xc3"}}}));
  EXPECT_EQ(got.reason, "FIELD_INVALID");
  EXPECT_EQ(got.metadata.at("v"), "\xEF\xBF\xBD");
}

TEST(RpcErrors, AReasonTravelsThroughAbslStatusAndAnnotate) {
  const absl::Status status =
      Annotate(ReasonError(Reason::kEtagMismatch, "etag is old", {{"etag", "7"}}), "source a");
  const grpc::Status sent = ToRpcError(status);
  EXPECT_EQ(sent.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(ExtractError(sent).reason, "ETAG_MISMATCH");
  EXPECT_EQ(ExtractError(sent).message, "source a: etag is old");
  EXPECT_EQ(ExtractError(sent).metadata.at("etag"), "7");
}

TEST(RpcErrors, CodesWithoutAReasonGetAGeneralOneOrTheFallback) {
  EXPECT_EQ(ExtractError(ToRpcError(absl::NotFoundError("x"))).reason, "RESOURCE_NOT_FOUND");
  EXPECT_EQ(ExtractError(ToRpcError(absl::UnavailableError("x"), Reason::kDnsUnavailable)).reason,
            "DNS_UNAVAILABLE");
}

TEST(RpcErrors, BugsTellTheClientNothing) {
  const grpc::Status sent = ToRpcError(absl::InternalError("pointer 0x1234"));
  EXPECT_EQ(sent.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(sent.error_message().find("0x1234"), std::string::npos);
  EXPECT_EQ(ExtractError(sent).reason, "BUG");
}

TEST(RpcErrors, StatusOfAProxyHasNoReason) {
  const ReceivedError got =
      ExtractError(grpc::Status(grpc::StatusCode::UNAVAILABLE, "connection refused"));
  EXPECT_EQ(got.reason, "");
  EXPECT_EQ(got.message, "connection refused");
}

}  // namespace
}  // namespace dmarcate
