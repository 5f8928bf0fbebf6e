#include "lib/archive/unzip.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/archive/tar.h"
#include "tests/lib/archive/archive_builder.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;

struct Result {
  absl::StatusOr<int> visited;
  std::vector<ZipMember> members;
  std::string reason;
};

Result UnzipAll(std::string_view archive, const ArchiveLimits& limits = {}) {
  ArchiveBudget budget(limits);
  std::vector<ZipMember> members;
  auto visited =
      Unzip(archive, budget, [&](ZipMember member) { members.push_back(std::move(member)); });
  return {std::move(visited), std::move(members), budget.reason()};
}

std::vector<std::string> Names(const Result& result) {
  std::vector<std::string> names;
  for (const ZipMember& member : result.members) names.push_back(member.name);
  return names;
}

TEST(Unzip, StoredAndDeflatedMembersInOrder) {
  const Result got = UnzipAll(ZipOf({{"a.xml", "alpha"}, {"b.xml", "beta", false}}));
  ASSERT_TRUE(got.visited.ok()) << got.visited.status();
  EXPECT_EQ(*got.visited, 2);
  ASSERT_EQ(got.members.size(), 2u);
  EXPECT_EQ(got.members[0].data, "alpha");
  EXPECT_EQ(got.members[1].data, "beta");
  EXPECT_FALSE(got.members[0].size_lied);
}

TEST(Unzip, Z8_JunkIsLeftOut) {
  const Result got = UnzipAll(ZipOf({{"dir/", ""},
                                     {"__MACOSX/._a.xml", "x"},
                                     {"dir/.DS_Store", "x"},
                                     {"Thumbs.db", "x"},
                                     {"dir/a.xml", "alpha"}}));
  EXPECT_THAT(Names(got), ElementsAre("dir/a.xml"));
}

TEST(Unzip, Z9_NamesAreData) {
  const Result got = UnzipAll(ZipOf({{"../../etc/passwd", "1"},
                                     {"C:\\windows\\x.xml", "2"},
                                     {"/abs", "3"},
                                     {"aol com 123 xml", "4"},
                                     {std::string(60'000, 'n'), "5"}}));
  ASSERT_EQ(got.members.size(), 5u);
  EXPECT_EQ(got.members[0].name, "../../etc/passwd");
  EXPECT_EQ(got.members[3].name, "aol com 123 xml");
  EXPECT_EQ(got.members[4].name.size(), 512u);
}

TEST(Unzip, Z10_DataDescriptor) {
  const Result got = UnzipAll(ZipOf({{.name = "a.xml", .data = "alpha", .data_descriptor = true}}));
  ASSERT_EQ(got.members.size(), 1u);
  EXPECT_EQ(got.members[0].data, "alpha");
  EXPECT_EQ(got.members[0].damage, Damage::kNone);
}

TEST(Unzip, Z10_WrongCrcKeepsTheBytesAndSaysSo) {
  const Result got =
      UnzipAll(ZipOf({{.name = "a.xml", .data = "alpha", .claimed_crc = 0xDEADBEEF}}));
  ASSERT_EQ(got.members.size(), 1u);
  EXPECT_EQ(got.members[0].data, "alpha");
  EXPECT_EQ(got.members[0].damage, Damage::kBadChecksum);
}

TEST(Unzip, ClaimedSizeIsNoLimitAndNoTruth) {
  const std::string data(50'000, 'x');
  for (const uint32_t claim : {0u, 100u, 0x7FFFFFFFu}) {
    const Result got = UnzipAll(ZipOf({{.name = "a.xml", .data = data, .claimed_size = claim}}));
    ASSERT_EQ(got.members.size(), 1u) << claim;
    EXPECT_EQ(got.members[0].data, data) << claim;
    EXPECT_TRUE(got.members[0].size_lied) << claim;
  }
}

TEST(Unzip, WhatIsTooLargeToKeepOnTrustIsWhole) {
  std::string text;
  uint32_t state = 1;
  while (text.size() < static_cast<size_t>(BoundedBuffer::kKeptBytes) + (1u << 20)) {
    state = state * 1664525 + 1013904223;
    text += std::to_string(state);
    text.append(600, ' ');
  }
  const Result got = UnzipAll(ZipOf({{.name = "a.xml", .data = text, .claimed_crc = 1}}));
  ASSERT_EQ(got.members.size(), 1u);
  EXPECT_TRUE(got.members[0].data == text);
  EXPECT_EQ(got.members[0].damage, Damage::kBadChecksum);
}

TEST(Unzip, ADocumentIsNoLongerThanItsKindMayBe) {
  std::string text = "{";
  while (text.size() < (8u << 20)) text += std::to_string(text.size()) + std::string(100, ' ');
  ArchiveBudget budget(ArchiveLimits{});
  std::vector<ZipMember> members;
  const auto visited = Unzip(
      ZipOf({{"a.json", text}, {"b.xml", "<" + text}, {"c.json", "{}"}}), budget,
      [&](ZipMember member) { members.push_back(std::move(member)); },
      [](std::string_view head, std::string_view) {
        return DocumentPlan{.most_bytes = head[0] == '{' ? int64_t{5} << 20 : kAnySize};
      });
  ASSERT_TRUE(visited.ok()) << visited.status();
  ASSERT_EQ(members.size(), 3u);
  EXPECT_EQ(members[0].status.code(), absl::StatusCode::kOutOfRange) << members[0].status;
  EXPECT_EQ(members[0].data, "");
  EXPECT_EQ(members[1].data.size(), text.size() + 1);
  EXPECT_EQ(members[2].data, "{}");
  EXPECT_LE(budget.inflated(), (14 << 20) + (64 << 10));
}

TEST(Unzip, ALargeMemberIsHandedOverPieceByPiece) {
  std::string text = "<";
  while (text.size() < (18u << 20)) text += std::to_string(text.size()) + std::string(100, ' ');
  std::string taken, asked;
  std::vector<ZipMember> members;
  ArchiveBudget budget(ArchiveLimits{});
  const auto visited = Unzip(
      ZipOf({{"small.xml", "alpha"}, {"large.xml", text}}), budget,
      [&](ZipMember member) { members.push_back(std::move(member)); },
      [&](std::string_view, std::string_view name) -> DocumentPlan {
        asked += name;
        return {.large = [&](std::string_view piece) {
          taken += piece;
          return true;
        }};
      });
  ASSERT_TRUE(visited.ok()) << visited.status();
  ASSERT_EQ(members.size(), 2u);
  EXPECT_EQ(asked, "large.xml");
  EXPECT_FALSE(members[0].handed_over);
  EXPECT_TRUE(members[1].handed_over);
  EXPECT_EQ(members[1].damage, Damage::kNone);
  EXPECT_FALSE(members[1].size_lied);
  EXPECT_TRUE(taken == text);
}

TEST(Unzip, Z11_EncryptedAndForeignMethodsAreNamedNotRead) {
  const Result got = UnzipAll(ZipOf({{.name = "secret", .data = "alpha", .encrypted = true},
                                     {.name = "lzma", .data = "alpha", .method = 14},
                                     {.name = "bzip2", .data = "alpha", .method = 12},
                                     {.name = "fine", .data = "alpha"}}));
  ASSERT_EQ(got.members.size(), 4u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(got.members[i].status.code(), absl::StatusCode::kUnimplemented) << i;
    EXPECT_EQ(got.members[i].data, "") << i;
  }
  EXPECT_EQ(got.members[3].data, "alpha");
}

TEST(Unzip, EmptyAndBrokenArchives) {
  const Result empty = UnzipAll(ZipOf({}));
  ASSERT_TRUE(empty.visited.ok()) << empty.visited.status();
  EXPECT_EQ(*empty.visited, 0);
  const std::string whole = ZipOf({{"a.xml", "alpha"}});
  EXPECT_EQ(UnzipAll(whole.substr(0, whole.size() - 30)).visited.status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(UnzipAll("PK\x03\x04").visited.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Unzip, NoCutIsReadAsWhole) {
  const std::string whole = ZipOf({{"a.xml", "alpha"}, {"b.xml", "beta"}});
  for (size_t length = 0; length < whole.size(); ++length) {
    const Result got = UnzipAll(std::string_view(whole).substr(0, length));
    EXPECT_FALSE(got.visited.ok() && *got.visited > 0) << length;
  }
}

TEST(UnzipLimits, MembersAreCountedJunkIsNot) {
  std::vector<ZipEntry> entries;
  for (int i = 0; i < 20; ++i) entries.push_back({"__MACOSX/" + std::to_string(i), "x"});
  for (int i = 0; i < 8; ++i) entries.push_back({std::to_string(i), "x"});
  EXPECT_TRUE(UnzipAll(ZipOf(entries)).visited.ok());
  entries.push_back({"ninth", "x"});
  const Result got = UnzipAll(ZipOf(entries));
  EXPECT_EQ(got.visited.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(got.reason, "too_many_members");
  EXPECT_EQ(got.members.size(), 8u);
}

TEST(UnzipLimits, AHugeDirectoryIsRefusedUnread) {
  std::vector<ZipEntry> entries;
  for (int i = 0; i < 1100; ++i) entries.push_back({"dir/", ""});
  const Result got = UnzipAll(ZipOf(entries));
  EXPECT_EQ(got.reason, "zip_directory_too_large");
}

TEST(UnzipLimits, OverlappingMembers) {
  const std::string kernel(100'000, 'x');
  std::vector<ZipEntry> entries(8, ZipEntry{"same", kernel});
  for (size_t i = 0; i < 200; ++i) entries[0].data.push_back(static_cast<char>(i * 31));
  for (ZipEntry& entry : entries) entry.data = entries[0].data;
  const Result got = UnzipAll(ZipOf(entries, {.overlap = true}));
  EXPECT_EQ(got.visited.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(got.reason, "zip_overlap");
}

TEST(UnzipLimits, OutputAndRatio) {
  const std::string zeros(5 << 20, '\0');
  EXPECT_EQ(UnzipAll(ZipOf({{"a", zeros}})).reason, "ratio_too_high");
  EXPECT_EQ(UnzipAll(ZipOf({{"a", zeros}}), {.inflated_bytes = 1 << 20}).reason,
            "inflated_too_large");
  // The directory's word does not count: small by claim, a bomb in fact.
  EXPECT_EQ(UnzipAll(ZipOf({{.name = "a", .data = zeros, .claimed_size = 10}})).reason,
            "ratio_too_high");
  EXPECT_EQ(UnzipAll(ZipOf({{"a", "alpha"}}), {.compressed_part_bytes = 10}).reason,
            "compressed_too_large");
}

TEST(Tar, IsKnownByTheChecksumOfItsHeader) {
  const std::string tar = TarOfOne("a.xml", "<feedback/>");
  EXPECT_TRUE(LooksLikeTar(tar));
  EXPECT_TRUE(LooksLikeTar(tar.substr(0, 512)));
  EXPECT_FALSE(LooksLikeTar(tar.substr(0, 511)));
  std::string other = tar;
  other[3] = 'y';
  EXPECT_FALSE(LooksLikeTar(other)) << "the checksum is of another header";
  EXPECT_FALSE(LooksLikeTar(std::string(1024, '\0')));
  EXPECT_FALSE(LooksLikeTar(std::string(1024, ' ')));
}

}  // namespace
}  // namespace dmarcate
