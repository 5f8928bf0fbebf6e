#include "lib/archive/gunzip.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/lib/archive/archive_builder.h"

namespace dmarcate {
namespace {

struct Case {
  std::string name;
  std::string input;
  absl::StatusCode want_code = absl::StatusCode::kOk;
  std::string want;
  Damage want_damage = Damage::kNone;
  int64_t want_trailing = 0;
  int want_members = 1;
};

std::string Text() {
  std::string text;
  for (int i = 0; i < 500; ++i) text += "line " + std::to_string(i * 7919) + "\n";
  return text;
}

std::string WithByteChanged(std::string bytes, size_t from_end) {
  bytes[bytes.size() - from_end] = static_cast<char>(bytes[bytes.size() - from_end] ^ 0x55);
  return bytes;
}

std::vector<Case> Cases() {
  const std::string one = GzipOf(Text());
  return {
      {"OneMember", one, absl::StatusCode::kOk, Text()},
      {"EmptyMember", GzipOf(""), absl::StatusCode::kOk, ""},
      {"Z4_LineEndBehind", one + "\r\n", absl::StatusCode::kOk, Text(), Damage::kNone, 2},
      {"Z4_ZerosBehind", one + std::string(512, '\0'), absl::StatusCode::kOk, Text(), Damage::kNone,
       512},
      {"Z4_TextBehind", one + "-- \nscanned by a gateway\n", absl::StatusCode::kOk, Text(),
       Damage::kNone, 25},
      {"Z5_TwoMembers", one + GzipOf("tail"), absl::StatusCode::kOk, Text() + "tail", Damage::kNone,
       0, 2},
      {"Z5_TwoMembersAndText", one + GzipOf("tail") + "x", absl::StatusCode::kOk, Text() + "tail",
       Damage::kNone, 1, 2},
      {"Z6_NoTrailer", one.substr(0, one.size() - 8), absl::StatusCode::kOk, Text(),
       Damage::kTruncated, 0, 0},
      {"Z6_WrongCrc", WithByteChanged(one, 8), absl::StatusCode::kOk, Text(), Damage::kBadChecksum,
       0, 0},
      {"Z6_WrongLength", WithByteChanged(one, 1), absl::StatusCode::kOk, Text(),
       Damage::kBadChecksum, 0, 0},
      {"Z15_Zlib", ZlibOf(Text()), absl::StatusCode::kOk, Text()},
      {"HeaderOnly", one.substr(0, 10), absl::StatusCode::kOk, "", Damage::kTruncated, 0, 0},
      {"NotGzip", "hello, world", absl::StatusCode::kInvalidArgument, ""},
  };
}

class GunzipTest : public testing::TestWithParam<Case> {};

TEST_P(GunzipTest, Case) {
  ArchiveBudget budget(ArchiveLimits{});
  const auto got = Gunzip(GetParam().input, budget);
  ASSERT_EQ(got.status().code(), GetParam().want_code) << got.status();
  if (!got.ok()) return;
  EXPECT_EQ(got->data, GetParam().want);
  EXPECT_EQ(got->damage, GetParam().want_damage);
  EXPECT_EQ(got->trailing_bytes, GetParam().want_trailing);
  EXPECT_EQ(got->members, GetParam().want_members);
  EXPECT_EQ(budget.inflated(), static_cast<int64_t>(GetParam().want.size()));
}

INSTANTIATE_TEST_SUITE_P(All, GunzipTest, testing::ValuesIn(Cases()),
                         [](const auto& test) { return test.param.name; });

TEST(GunzipPrefix, EveryCutGivesAPrefixAndSaysSo) {
  const std::string whole = GzipOf(Text());
  for (size_t length = 0; length < whole.size(); ++length) {
    ArchiveBudget budget(ArchiveLimits{});
    const auto got = Gunzip(std::string_view(whole).substr(0, length), budget);
    if (!got.ok()) continue;
    EXPECT_EQ(got->damage, Damage::kTruncated) << length;
    EXPECT_TRUE(Text().starts_with(got->data)) << length;
  }
}

TEST(GunzipLimits, OutputIsCountedOverAllStreams) {
  ArchiveBudget budget({.inflated_bytes = 10'000});
  const std::string piece = GzipOf(std::string(6'000, 'x'));
  EXPECT_TRUE(Gunzip(piece, budget).ok());
  EXPECT_EQ(budget.reason(), "");
  EXPECT_EQ(Gunzip(piece, budget).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(budget.reason(), "inflated_too_large");
}

TEST(GunzipLimits, TheStreamStopsWithinOneBufferOfTheLimit) {
  ArchiveBudget budget({.inflated_bytes = 1 << 20, .ratio = 1'000'000});
  EXPECT_FALSE(Gunzip(GzipOfZeros(1 << 26), budget).ok());
  EXPECT_EQ(budget.reason(), "inflated_too_large");
  EXPECT_LE(budget.inflated(), (1 << 20) + (64 << 10));
}

TEST(GunzipLimits, RatioCountsOnlyAfterTheFreeBytes) {
  const std::string zeros = GzipOfZeros(3 << 20);  // about 1000:1
  ArchiveBudget budget(ArchiveLimits{});
  EXPECT_TRUE(Gunzip(zeros, budget).ok());
  EXPECT_EQ(Gunzip(zeros, budget).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(budget.reason(), "ratio_too_high");
}

TEST(GunzipLimits, AnHonestRatioPassesAtAnySize) {
  std::string text;  // under 300:1
  for (int i = 0; text.size() < (6u << 20); ++i) text += Text().substr(0, 1000) + std::to_string(i);
  const std::string packed = GzipOf(text);
  ArchiveBudget budget(ArchiveLimits{});
  const auto got = Gunzip(packed, budget);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->data, text);
}

TEST(GunzipLimits, WhatIsTooLargeToKeepOnTrustIsWhole) {
  std::string text;
  uint32_t state = 1;
  while (text.size() < static_cast<size_t>(BoundedBuffer::kKeptBytes) + (1u << 20)) {
    state = state * 1664525 + 1013904223;
    text += std::to_string(state);
    text.append(600, ' ');
  }
  ArchiveBudget budget(ArchiveLimits{});
  const auto got = Gunzip(GzipOf(text) + "tail", budget);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_TRUE(got->data == text);
  EXPECT_EQ(got->members, 1);
  EXPECT_EQ(got->trailing_bytes, 4);
  EXPECT_EQ(budget.inflated(), static_cast<int64_t>(text.size()));
}

// Text that does not compress too well.
std::string LongText(std::string_view head, size_t bytes) {
  std::string text(head);
  uint32_t state = 1;
  while (text.size() < bytes) {
    state = state * 1664525 + 1013904223;
    text += std::to_string(state);
    text.append(200, ' ');
  }
  return text;
}

TEST(GunzipLimits, ADocumentIsNoLongerThanItsKindMayBe) {
  const std::string packed = GzipOf(LongText("{", 40 << 20));
  std::vector<std::string> heads;
  const DocumentPlanner planner = [&](std::string_view head, std::string_view) -> DocumentPlan {
    heads.emplace_back(head.substr(0, 1));
    EXPECT_EQ(head.size(), kHeadBytes);
    return {.most_bytes = 10 << 20};
  };
  ArchiveBudget budget(ArchiveLimits{});
  const auto got = Gunzip(packed, budget, planner);
  EXPECT_EQ(got.status().code(), absl::StatusCode::kOutOfRange) << got.status();
  EXPECT_LE(budget.inflated(), (10 << 20) + (64 << 10));  // no more was inflated
  EXPECT_EQ(heads, std::vector<std::string>{"{"});        // asked once
  EXPECT_EQ(budget.reason(), "");                         // others may go on
  ArchiveBudget second(ArchiveLimits{});
  EXPECT_TRUE(Gunzip(packed, second, [](std::string_view, std::string_view) {
                return DocumentPlan();
              }).ok());
}

TEST(GunzipLimits, ALargeDocumentIsHandedOverPieceByPiece) {
  const std::string text = LongText("<", BoundedBuffer::kKeptBytes + (2 << 20));
  std::string taken;
  size_t most = text.size();
  const DocumentPlanner planner = [&](std::string_view, std::string_view) -> DocumentPlan {
    return {.large = [&](std::string_view piece) {
      taken += piece;
      return taken.size() < most;
    }};
  };
  ArchiveBudget budget(ArchiveLimits{});
  const auto got = Gunzip(GzipOf(text) + "tail", budget, planner);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_TRUE(got->handed_over);
  EXPECT_EQ(got->data, "");
  EXPECT_EQ(got->trailing_bytes, 4);
  EXPECT_TRUE(taken == text);
  taken.clear();
  most = 100'000;  // who has enough is asked no more
  ArchiveBudget second(ArchiveLimits{});
  EXPECT_TRUE(Gunzip(GzipOf(text), second, planner).ok());
  EXPECT_LT(taken.size(), most + (64 << 10));
  most = text.size() + 1;
  for (const bool needs_whole : {false, true}) {
    ArchiveBudget budget_again(ArchiveLimits{});
    taken.clear();
    const auto held = Gunzip(GzipOf(text), budget_again,
                             [&](std::string_view head, std::string_view name) -> DocumentPlan {
                               DocumentPlan plan = planner(head, name);
                               plan.needs_whole = [needs_whole] { return needs_whole; };
                               return plan;
                             });
    ASSERT_TRUE(held.ok()) << held.status();
    EXPECT_TRUE(taken == text);
    EXPECT_EQ(held->handed_over, !needs_whole);
    EXPECT_TRUE(held->data == (needs_whole ? text : ""));
  }
  taken.clear();
  ArchiveBudget third(ArchiveLimits{});  // what is small is held, whatever the plan
  const auto small = Gunzip(GzipOf(text.substr(0, 3 << 20)), third, planner);
  ASSERT_TRUE(small.ok());
  EXPECT_FALSE(small->handed_over);
  EXPECT_EQ(taken, "");
  EXPECT_EQ(small->data.size(), 3u << 20);
}

TEST(GunzipLimits, CompressedSize) {
  ArchiveBudget budget({.compressed_part_bytes = 10});
  EXPECT_EQ(Gunzip(GzipOf("hello"), budget).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(budget.reason(), "compressed_too_large");
}

TEST(GunzipLimits, ALyingSizeFieldNeitherHelpsNorHurts) {
  for (const uint32_t claim : {0u, 1u, 5'000u, 0xFFFFFFFFu}) {
    std::string lying = GzipOf(Text());
    for (int i = 0; i < 4; ++i) {
      lying[lying.size() - 4 + static_cast<size_t>(i)] = static_cast<char>(claim >> (8 * i));
    }
    ArchiveBudget budget(ArchiveLimits{});
    const auto got = Gunzip(lying, budget);
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(got->data, Text());
    EXPECT_EQ(got->damage, Damage::kBadChecksum);
  }
}

}  // namespace
}  // namespace dmarcate
