#include "cli/import/file_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/text.h"
#include "tests/cli/import/containers.h"
#include "tests/lib/archive/archive_builder.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate::cli {
namespace {

using cli_testing::Entry;
using cli_testing::Packed;
using cli_testing::Packing;
using cli_testing::TarOf;
using cli_testing::ZipArchiveOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr Packing kPackings[] = {Packing::kNone, Packing::kGzip, Packing::kBzip2, Packing::kXz,
                                 Packing::kZstd};

std::string Xml(int number) {
  return fmt::format("<?xml version=\"1.0\"?>\n<feedback>{}</feedback>\n", number);
}
std::string Mail(int number) {
  return fmt::format("From: a@b.example\nSubject: Report {}\n\nbody\n>From the quoted\n", number);
}
// As an mbox holds it.
std::string InMbox(int number) {
  return fmt::format(
      "From a@b.example Thu Jan  1 00:00:00 1970\nFrom: a@b.example\nSubject: Report {}\n\nbody\n"
      ">>From the quoted\n\n",
      number);
}
std::string MboxOf(int messages) {
  std::string out;
  for (int i = 1; i <= messages; ++i) out += InMbox(i);
  return out;
}

class Sink : public ImportSink {
 public:
  bool Take(ImportItem item) override {
    source_bytes += item.source_bytes;
    ++taken;
    if (keep) items.push_back(std::move(item));
    return taken < wanted;
  }
  void Tell(ImportNotice notice) override { notices.push_back(std::move(notice)); }
  void FileDone(int64_t bytes) override {
    source_bytes += bytes;
    ++files;
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> out;
    for (const ImportItem& item : items) out.push_back(item.name);
    return out;
  }

  std::vector<ImportItem> items;
  std::vector<ImportNotice> notices;
  int64_t source_bytes = 0;
  size_t taken = 0, files = 0, wanted = SIZE_MAX;
  bool keep = true;
};

class FileReaderTest : public testing::Test {
 protected:
  // Reads `content` as the file `name`; names are then without the directory before them.
  Sink Read(const std::string& name, std::string_view content, const ImportLimits& limits = {}) {
    const std::string path = directory_.Write(name, content);
    Sink sink;
    FileReader(limits, sink).Read(path);
    EXPECT_EQ(sink.files, 1u);
    EXPECT_EQ(sink.source_bytes, static_cast<int64_t>(content.size()));
    Shorten(&sink);
    return sink;
  }
  void Shorten(Sink* sink) const {
    const auto shorten = [this](std::string* text) {
      if (text->starts_with(directory_.path())) text->erase(0, directory_.path().size() + 1);
    };
    for (ImportItem& item : sink->items) shorten(&item.name);
    for (ImportNotice& notice : sink->notices) shorten(&notice.name);
  }
  testing_support::TempDir directory_;
};

// What one report arrives as is sent as it is.
TEST_F(FileReaderTest, AReportIsOneItem) {
  const std::pair<std::string, std::string> kFiles[] = {
      {"report.xml", Xml(1)},
      {"report.eml", Mail(1)},
      {"report.xml.gz", GzipOf(Xml(1))},
      {"report.zip", ZipOf({{"report.xml", Xml(1)}})},
      {"eight.zip", ZipOf(std::vector<ZipEntry>(8, ZipEntry{"report.xml", Xml(1)}))},
      {"with-readme.zip", ZipOf({{"readme", "text"}, {"report.xml", Xml(1)}})},
      {"mac.zip", ZipOf({{"report.xml", Xml(1)}, {"__MACOSX/._report.xml", "x"}})},
      {"tls.json.gz", GzipOf("{\"organization-name\":\"x\"}")},
      {"mail.eml.gz", GzipOf(Mail(1))},
      {"broken.zip", "PK\x03\x04 and then nothing of the kind"},
      {"truncated.gz", GzipOf(Xml(1)).substr(0, 20)},
      {"noise", std::string("\0\1\2\3", 4) + std::string(1000, 'x')},
      {"empty", ""},
      {"seven.7z", "7z\xBC\xAF\x27\x1C with something"},
  };
  for (const auto& [name, content] : kFiles) {
    const Sink sink = Read(name, content);
    ASSERT_THAT(sink.items, SizeIs(1)) << name;
    EXPECT_EQ(sink.items[0].name, name);
    EXPECT_EQ(sink.items[0].content, content) << name;
    EXPECT_THAT(sink.notices, IsEmpty()) << name;
  }
}

TEST_F(FileReaderTest, TarIsUnpackedHoweverItIsPacked) {
  for (const Packing packing : kPackings) {
    const Sink sink = Read("old.tar", TarOf({{"2026/", "", Entry::Kind::kDirectory},
                                             {"2026/05/x.eml", Mail(1)},
                                             {"2026/05/y.xml.gz", GzipOf(Xml(2))},
                                             {".DS_Store", "x"}},
                                            packing));
    ASSERT_THAT(sink.Names(), ElementsAre("old.tar!2026/05/x.eml", "old.tar!2026/05/y.xml.gz"))
        << static_cast<int>(packing);
    EXPECT_EQ(sink.items[0].content, Mail(1));
    EXPECT_EQ(sink.items[1].content, GzipOf(Xml(2)));
    EXPECT_THAT(sink.notices, IsEmpty());
  }
}

TEST_F(FileReaderTest, ZipOfManyIsUnpacked) {
  const std::vector<std::vector<Entry>> kArchives = {
      {{"1.eml", Mail(1)}},
      {{"1.xml.gz", GzipOf(Xml(1))}, {"2.xml.gz", GzipOf(Xml(2))}},
      {{"1.zip", ZipOf({{"1.xml", Xml(1)}})}, {"2.xml", Xml(2)}},
      std::vector<Entry>(9, Entry{"report.xml", Xml(1)}),
  };
  for (const auto& entries : kArchives) {
    const Sink sink = Read("reports.zip", ZipArchiveOf(entries));
    EXPECT_THAT(sink.notices, IsEmpty());
    ASSERT_THAT(sink.items, SizeIs(entries.size()));
    for (size_t i = 0; i < entries.size(); ++i) {
      EXPECT_EQ(sink.items[i].name, "reports.zip!" + entries[i].name);
      EXPECT_EQ(sink.items[i].content, entries[i].data);
    }
  }
}

TEST_F(FileReaderTest, MailboxIsSplitWhereverItLies) {
  constexpr int kMessages = 2500;
  const std::string mbox = MboxOf(kMessages);
  std::vector<std::pair<std::string, std::string>> files = {
      {"dmarc.mbox", mbox},
      {"takeout.zip", ZipArchiveOf({{"Takeout/Mail/dmarc.mbox", mbox}})},
      {"mail.tar", TarOf({{"mail/dmarc", mbox}})},
  };
  for (const Packing packing : kPackings) {
    if (packing != Packing::kNone) files.emplace_back("dmarc.packed", Packed(mbox, packing));
  }
  for (const auto& [name, content] : files) {
    const Sink sink = Read(name, content);
    EXPECT_THAT(sink.notices, IsEmpty()) << name;
    ASSERT_THAT(sink.items, SizeIs(kMessages)) << name;
    for (int i = 0; i < kMessages; ++i) {
      const ImportItem& item = sink.items[static_cast<size_t>(i)];
      ASSERT_EQ(item.content, Mail(i + 1) + "\n") << name;
      ASSERT_THAT(item.name, testing::EndsWith(fmt::format("!{}", i + 1)));
    }
  }
  EXPECT_EQ(Read("takeout.zip", files[1].second).items[16].name,
            "takeout.zip!Takeout/Mail/dmarc.mbox!17");
}

// One document that ingestd could not unpack is unpacked here.
TEST_F(FileReaderTest, OtherCompressionIsTakenOff) {
  for (const Packing packing : {Packing::kBzip2, Packing::kXz, Packing::kZstd}) {
    const Sink sink = Read("report.xml.packed", Packed(Xml(1), packing));
    ASSERT_THAT(sink.items, SizeIs(1));
    EXPECT_EQ(sink.items[0].content, Xml(1));
  }
}

TEST_F(FileReaderTest, ArchiveInArchiveIsRefusedAndTheRestIsSent) {
  for (const std::string& inner :
       {TarOf({{"x.eml", Mail(1)}}), TarOf({{"x.eml", Mail(1)}}, Packing::kGzip),
        TarOf({{"x.eml", Mail(1)}}, Packing::kXz), ZipArchiveOf({{"x.eml", Mail(1)}})}) {
    for (const std::string& outer : {TarOf({{"inner", inner}, {"after.eml", Mail(2)}}),
                                     ZipArchiveOf({{"inner", inner}, {"after.eml", Mail(2)}})}) {
      const Sink sink = Read("outer", outer);
      EXPECT_THAT(sink.Names(), ElementsAre("outer!after.eml"));
      ASSERT_THAT(sink.notices, SizeIs(1));
      EXPECT_EQ(sink.notices[0].kind, ImportNotice::Kind::kRefused);
      EXPECT_EQ(sink.notices[0].name, "outer!inner");
      EXPECT_EQ(sink.notices[0].why, "an archive in an archive");
      EXPECT_THAT(sink.notices[0].next, HasSubstr("unpack it"));
    }
  }
}

TEST_F(FileReaderTest, LinksAndDevicesAreLeftOutByName) {
  const Sink sink = Read("x.tar", TarOf({{"a.eml", Mail(1)},
                                         {"passwd", "/etc/passwd", Entry::Kind::kSymlink},
                                         {"again.eml", "a.eml", Entry::Kind::kHardlink},
                                         {"pipe", "", Entry::Kind::kFifo}}));
  EXPECT_THAT(sink.Names(), ElementsAre("x.tar!a.eml"));
  ASSERT_THAT(sink.notices, SizeIs(3));
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(sink.notices[i].kind, ImportNotice::Kind::kSkipped);
    EXPECT_EQ(sink.notices[i].name,
              std::vector<std::string>({"x.tar!passwd", "x.tar!again.eml", "x.tar!pipe"})[i]);
  }
  const Sink zip =
      Read("x.zip",
           ZipArchiveOf({{"a.eml", Mail(1)}, {"passwd", "/etc/passwd", Entry::Kind::kSymlink}}));
  EXPECT_THAT(zip.Names(), ElementsAre("x.zip!a.eml"));
  EXPECT_THAT(zip.notices, SizeIs(1));
}

TEST_F(FileReaderTest, NamesAreOnlyShown) {
  const std::vector<Entry> entries = {
      {"../../outside.eml", Mail(1)},     {"/tmp/dmarcate-absolute.eml", Mail(2)},
      {"C:\\windows.eml", Mail(3)},       {"\xE9t\xE9.eml", Mail(4)},
      {"\xE2\x80\xAEright.eml", Mail(5)}, {std::string(3000, 'n'), Mail(6)}};
  for (const std::string& content : {TarOf(entries), ZipArchiveOf(entries)}) {
    const Sink sink = Read("names", content);
    EXPECT_THAT(sink.notices, IsEmpty());
    ASSERT_THAT(sink.items, SizeIs(entries.size()));
    EXPECT_EQ(sink.items[0].name, "names!../../outside.eml");
    for (size_t i = 0; i < entries.size(); ++i) {
      EXPECT_EQ(sink.items[i].content, entries[i].data);
      EXPECT_TRUE(IsValidUtf8(sink.items[i].name)) << EscapeForTerminal(sink.items[i].name);
      EXPECT_LT(sink.items[i].name.size(), 600u);
    }
  }
  EXPECT_FALSE(std::filesystem::exists("/tmp/dmarcate-absolute.eml"));
  EXPECT_FALSE(std::filesystem::exists(directory_.File("../../outside.eml")));
}

TEST_F(FileReaderTest, EncryptedIsRefused) {
  const Sink sink = Read("secret.zip", ZipOf({{"a.eml", Mail(1)},
                                              {.name = "b.xml", .data = Xml(2), .encrypted = true},
                                              {"c.eml", Mail(3)}}));
  EXPECT_THAT(sink.Names(), ElementsAre("secret.zip!a.eml", "secret.zip!c.eml"));
  ASSERT_THAT(sink.notices, SizeIs(1));
  EXPECT_EQ(sink.notices[0].name, "secret.zip!b.xml");
  EXPECT_EQ(sink.notices[0].why, "encrypted");
  EXPECT_THAT(
      Read("alone.zip", ZipOf({{.name = "b.xml", .data = Xml(2), .encrypted = true}})).items,
      IsEmpty());
}

TEST_F(FileReaderTest, TooLargeIsRefusedAndTheRestIsSent) {
  ImportLimits limits;
  limits.item_bytes = 1000;
  const std::string large = Mail(2) + std::string(5000, 'x') + "\n";
  for (const std::string& content :
       {TarOf({{"1", Mail(1)}, {"2", large}, {"3", Mail(3)}}),
        TarOf({{"1", Mail(1)}, {"2", large}, {"3", Mail(3)}}, Packing::kGzip),
        ZipArchiveOf({{"1", Mail(1)}, {"2", large}, {"3", Mail(3)}}),
        InMbox(1) + InMbox(2) + std::string(5000, 'x') + "\n\n" + InMbox(3)}) {
    const Sink sink = Read("some", content, limits);
    EXPECT_THAT(sink.Names(), ElementsAre("some!1", "some!3"));
    ASSERT_THAT(sink.notices, SizeIs(1));
    EXPECT_EQ(sink.notices[0].name, "some!2");
    EXPECT_THAT(sink.notices[0].why, HasSubstr("1000"));
    EXPECT_NE(sink.notices[0].next, "");
  }
  const Sink lone = Read("lone.eml", large, limits);
  EXPECT_THAT(lone.items, IsEmpty());
  EXPECT_THAT(lone.notices, SizeIs(1));
}

// Within the first block of its compression nothing comes out of an archive, and still it is one:
// sent as it is, it would count as the one report that is first in it.
TEST_F(FileReaderTest, ASmallTruncatedArchiveIsNoReport) {
  std::vector<Entry> entries;
  for (int i = 0; i < 40; ++i) entries.push_back({std::to_string(i) + ".xml", Xml(i)});
  for (const Packing packing : {Packing::kGzip, Packing::kBzip2}) {
    const std::string whole = TarOf(entries, packing);
    for (const size_t tenths : {5, 9}) {
      const Sink sink = Read("cut.tar", whole.substr(0, whole.size() * tenths / 10));
      EXPECT_THAT(sink.items, IsEmpty()) << tenths;
      ASSERT_THAT(sink.notices, SizeIs(1)) << tenths;
      EXPECT_THAT(sink.notices[0].why, HasSubstr("truncated")) << tenths;
    }
  }
}

TEST_F(FileReaderTest, TruncatedSendsWhatCameBefore) {
  std::string filling;  // that does not compress, so that the cut is in the third member
  for (uint32_t i = 0, x = 1; i < 1'000'000; ++i)
    filling += static_cast<char>((x = x * 1664525 + 1013904223) >> 24);
  const std::vector<Entry> entries = {{"1.eml", Mail(1)}, {"2.eml", Mail(2)}, {"3", filling}};
  for (const Packing packing : kPackings) {
    const std::string whole = TarOf(entries, packing);
    if (packing == Packing::kBzip2) continue;  // one block: nothing comes out of a part of it
    const Sink sink = Read("cut.tar", whole.substr(0, whole.size() / 2));
    EXPECT_THAT(sink.Names(), ElementsAre("cut.tar!1.eml", "cut.tar!2.eml"))
        << static_cast<int>(packing);
    ASSERT_FALSE(sink.notices.empty());
    EXPECT_EQ(sink.notices.back().name, "cut.tar");
    EXPECT_THAT(sink.notices.back().why, HasSubstr("ends after 3 (byte "));
    EXPECT_THAT(sink.notices.back().next, HasSubstr("fetch it again"));
  }
  const std::string mbox = Packed(MboxOf(50'000), Packing::kGzip);
  const Sink sink = Read("cut.mbox.gz", mbox.substr(0, mbox.size() / 2));
  EXPECT_GT(sink.items.size(), 1000u);
  ASSERT_THAT(sink.notices, SizeIs(1));
  EXPECT_THAT(sink.notices[0].why, HasSubstr("ends after message "));
}

TEST_F(FileReaderTest, ADamagedMemberOfAZipDoesNotStopTheRest) {
  std::vector<Entry> entries;
  for (int i = 0; i < 12; ++i) {
    entries.push_back({fmt::format("{}.eml", i), Mail(i) + std::string(3000, 'a' + i)});
  }
  std::string zip = ZipArchiveOf(entries);
  for (const char* name : {"3.eml", "7.eml"}) {  // the local headers come before the directory
    const size_t at = zip.find(name) + 60;
    zip.replace(at, 8, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF");
  }
  const Sink sink = Read("damaged.zip", zip);
  EXPECT_THAT(sink.items, SizeIs(10));
  ASSERT_THAT(sink.notices, SizeIs(2));
  EXPECT_EQ(sink.notices[0].name, "damaged.zip!3.eml");
  EXPECT_EQ(sink.notices[1].name, "damaged.zip!7.eml");
}

TEST_F(FileReaderTest, BombsAreStopped) {
  const std::string bomb = GzipOfZeros(uint64_t{200} << 20);
  const Sink gzip = Read("bomb.gz", bomb);  // one item, for ingestd's own limits
  EXPECT_THAT(gzip.items, SizeIs(1));

  const std::string path = directory_.File("bomb.tar.gz");
  int64_t left = 200 << 20;
  cli_testing::WritePacked(path, Packing::kGzip, "zeros", left, [&left] {
    const int64_t size = std::min<int64_t>(left, 1 << 20);
    left -= size;
    return std::string(static_cast<size_t>(size), '\0');
  });
  Sink sink;
  FileReader({}, sink).Read(path);
  EXPECT_THAT(sink.items, IsEmpty());
  ASSERT_FALSE(sink.notices.empty());
  EXPECT_THAT(sink.notices.back().why, HasSubstr("limit 300 to 1"));
  EXPECT_EQ(sink.source_bytes, static_cast<int64_t>(std::filesystem::file_size(path)));

  // Members that share their bytes.
  ImportLimits limits;
  limits.archive.ratio_free_bytes = 1 << 20;
  const std::vector<ZipEntry> entries(200, ZipEntry{"x", Mail(1) + std::string(100'000, 'x')});
  const Sink overlap = Read("overlap.zip", ZipOf(entries, {.overlap = true}), limits);
  EXPECT_LT(overlap.items.size(), 150u);
}

TEST_F(FileReaderTest, MembersAndDirectoriesAreBounded) {
  ImportLimits limits;
  limits.archive.members = 100;
  const Sink many = Read("many.tar", TarOf(std::vector<Entry>(101, Entry{"x", Mail(1)})), limits);
  EXPECT_THAT(many.items, SizeIs(100));
  ASSERT_THAT(many.notices, SizeIs(1));
  EXPECT_THAT(many.notices[0].why, HasSubstr("over 100 members"));

  limits = {};
  limits.archive.zip_directory_bytes = 1 << 20;
  const std::string zip =
      ZipArchiveOf(std::vector<Entry>(20'000, Entry{std::string(100, 'x'), Mail(1)}));
  const Sink directory = Read("directory.zip", zip, limits);
  EXPECT_THAT(directory.items, IsEmpty());
  ASSERT_THAT(directory.notices, SizeIs(1));
  EXPECT_THAT(directory.notices[0].why, HasSubstr("1048576"));
}

TEST_F(FileReaderTest, PipesAreReadAsFilesAre) {
  const std::vector<Entry> entries = {{"1.eml", Mail(1)}, {"2.eml", Mail(2)}};
  for (const std::string& content :
       {TarOf(entries), TarOf(entries, Packing::kGzip), ZipArchiveOf(entries)}) {
    const std::string path = directory_.File("pipe");
    ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    std::thread writer([&] { std::ofstream(path, std::ios::binary) << content; });
    Sink sink;
    FileReader({}, sink).Read(path);
    writer.join();
    Shorten(&sink);
    EXPECT_THAT(sink.Names(), ElementsAre("pipe!1.eml", "pipe!2.eml"));
    EXPECT_EQ(sink.source_bytes, static_cast<int64_t>(content.size()));
    std::filesystem::remove(path);
  }
}

TEST_F(FileReaderTest, MissingIsTold) {
  Sink sink;
  EXPECT_TRUE(FileReader({}, sink).Read(directory_.File("nothing")));
  ASSERT_THAT(sink.notices, SizeIs(1));
  EXPECT_THAT(sink.notices[0].why, HasSubstr("No such file"));
}

TEST_F(FileReaderTest, EndsWhenNoMoreIsWanted) {
  for (const std::string& content :
       {MboxOf(100), TarOf(std::vector<Entry>(100, Entry{"x", Mail(1)}))}) {
    const std::string path = directory_.Write("some", content);
    Sink sink;
    sink.wanted = 7;
    EXPECT_FALSE(FileReader({}, sink).Read(path));
    EXPECT_EQ(sink.taken, 7u);
  }
}

// Peak of this process in KiB since the last ForgetPeak().
int64_t PeakKib() {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6));
  }
  return -1;
}
void ForgetPeak() { std::ofstream("/proc/self/clear_refs") << "5"; }

TEST_F(FileReaderTest, MemoryDoesNotGrowWithTheContainer) {
  constexpr int64_t kBytes = 100 << 20;
  const std::string piece = MboxOf(2000);
  const auto write = [&](const std::string& name, int64_t member_bytes) {
    int64_t left = kBytes / static_cast<int64_t>(piece.size());
    cli_testing::WritePacked(directory_.File(name), Packing::kZstd, "dmarc.mbox",
                             member_bytes * left,
                             [&] { return left-- > 0 ? piece : std::string(); });
  };
  write("large.mbox.zst", 0);
  write("large.tar.zst", static_cast<int64_t>(piece.size()));
  for (const char* name : {"large.mbox.zst", "large.tar.zst"}) {
    ForgetPeak();
    const int64_t before = PeakKib();
    Sink sink;
    sink.keep = false;
    ImportLimits limits;
    limits.archive.ratio = 1'000'000;  // the same messages over and over
    FileReader(limits, sink).Read(directory_.File(name));
    EXPECT_THAT(sink.notices, IsEmpty());
    EXPECT_GT(sink.taken, 500'000u);
    EXPECT_LT(PeakKib() - before, 24 << 10) << name;
  }
}

}  // namespace
}  // namespace dmarcate::cli
