// A7 through the daemon: hostile input is refused with a reason, within 64 MiB above idle, and the
// daemon goes on serving. lib/unpack's own tests have many more inputs.

#include <algorithm>
#include <filesystem>
#include <random>

#include "fmt/format.h"
#include "gtest/gtest.h"

#include "lib/base/digest.h"
#include "tests/ingestd/daemon.h"
#include "tests/lib/archive/archive_builder.h"

namespace dmarcate {
namespace {

using ingest_testing::Daemon;
using ingest_testing::Import;
using ingest_testing::ImportItem;
using ingest_testing::MakeReportXml;
using ingest_testing::Submit;

constexpr int64_t kAllowedKib = 64 << 10;

std::string Mail(const std::string& type, const std::string& body) {
  return fmt::format(
      "From: reports@reporter.test\r\nTo: r@example.test\r\nSubject: Report Domain: "
      "example.test\r\n"
      "MIME-Version: 1.0\r\nContent-Type: {}\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
      type, Base64Encode(body));
}

std::string DeepMime(int depth) {
  std::string out = "From: a@b.test\r\nMIME-Version: 1.0\r\n";
  for (int i = 0; i < depth; ++i) {
    out += fmt::format("Content-Type: multipart/mixed; boundary=b{0}\r\n\r\n--b{0}\r\n", i);
  }
  return out + "Content-Type: text/plain\r\n\r\nhello\r\n";
}

std::string Entities() {
  std::string out = "<?xml version=\"1.0\"?><!DOCTYPE feedback [<!ENTITY a0 \"ha\">";
  for (int i = 1; i < 30; ++i) out += fmt::format("<!ENTITY a{} \"&a{};&a{};\">", i, i - 1, i - 1);
  return out +
         "]><feedback><report_metadata><org_name>&a29;</org_name></report_metadata></feedback>";
}

std::string Nested(int depth) {
  std::string out = "<feedback>";
  for (int i = 0; i < depth; ++i) out += "<a>";
  return out;
}

std::string Repeated(std::string_view piece, size_t bytes) {
  std::string out;
  while (out.size() < bytes) out += piece;
  return out;
}

// Parts of '<', each of which could begin a tag.
std::string Angles() {
  std::string out = "From: a@b.test\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";
  for (int i = 0; i < 60; ++i) {
    out.append("--b\r\n\r\nx").append(1, '\0').append(8300, '<').append("\r\n");
  }
  return out;
}

std::string Feedback(std::string_view flood, size_t bytes) {
  return "From: a@b.test\r\nContent-Type: multipart/report; report-type=feedback-report; "
         "boundary=b\r\n\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n"
         "Feedback-Type: auth-failure\r\n" +
         Repeated(flood, bytes) + "\r\n--b--\r\n";
}

std::string InCharset(std::string_view charset, std::string_view piece, size_t bytes) {
  return fmt::format("<?xml version=\"1.0\" encoding=\"{}\"?><feedback>", charset) +
         Repeated(piece, bytes);
}

struct Hostile {
  std::string name, content;
};

std::vector<Hostile> HostileInputs() {
  const std::string report = MakeReportXml("example.test", "r", std::vector<int>(200, 1));
  std::string noise(1 << 20, '\0');
  std::mt19937 random(7);
  for (char& c : noise) c = static_cast<char>(random());
  std::string many_rows = "<feedback>";
  while (many_rows.size() < (2 << 20)) many_rows += "<record></record>";
  return {
      {"gzip bomb", GzipOfZeros(uint64_t{512} << 20)},
      {"gzip bomb in mail", Mail("application/gzip", GzipOfZeros(uint64_t{256} << 20))},
      {"zip bomb", ZipOf({{"r.xml", std::string(120 << 20, ' ')}})},
      {"zip in zip bomb", ZipOf({{"a.zip", ZipOf({{"r.xml", std::string(110 << 20, ' ')}})}})},
      {"truncated gzip", GzipOf(noise).substr(0, 500'000)},
      {"truncated zip", ZipOf({{"r.xml", report}}).substr(0, 400)},
      {"truncated xml", report.substr(0, report.find("<policy_published>"))},
      {"entities", Entities()},
      {"external entity",
       "<!DOCTYPE feedback [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><feedback>&x;</feedback>"},
      {"deep xml", Nested(100'000)},
      {"deep mime", DeepMime(50'000)},
      {"rows without end", many_rows},
      {"angles in many parts", Angles()},
      {"feedback without end", Feedback("A: b\r\n", 2 << 20)},
      {"folds without end", Feedback(" a\r\n", 2 << 20)},
      {"deep json", "{\"policies\":" + std::string(2 << 20, '[')},
      {"json of many values", "{\"policies\":[" + Repeated("{},", 2 << 20) + "{}]}"},
      {"json of one key", "{" + Repeated("\"policies\":[],", 2 << 20) + "\"a\":1}"},
      {"json of one number", "{\"policies\":" + std::string(2 << 20, '1') + "}"},
      {"gzip of too much json", GzipOf("{\"policies\":[" + Repeated("{ } , ", 11 << 20))},
      {"octets without meaning", InCharset("big5", "\xFF", 2 << 20)},
      {"noise", noise},
      {"zeros", std::string(3 << 20, '\0')},
  };
}

TEST(HostileInput, IsRefusedWithinTheMemoryBoundAndTheDaemonGoesOn) {
  const std::vector<Hostile> inputs = HostileInputs();
  Daemon daemon;
  const absl::Status started = daemon.Start();
  ASSERT_TRUE(started.ok()) << started;
  v1::SubmitReportResponse response;
  ASSERT_TRUE(Submit(daemon.channel(), MakeReportXml("first.test", "1", {1}), &response).ok());
  ASSERT_EQ(response.items(0).outcome(), v1::ITEM_OUTCOME_STORED);
  daemon.ForgetPeak();
  const int64_t idle_kib = daemon.PeakKib();
  for (const Hostile& input : inputs) {
    response.Clear();
    const grpc::Status status = Submit(daemon.channel(), input.content, &response);
    ASSERT_TRUE(status.ok()) << input.name << ": " << status.error_message();
    ASSERT_GE(response.items_size(), 1) << input.name;
    for (const auto& item : response.items()) {
      EXPECT_NE(item.outcome(), v1::ITEM_OUTCOME_STORED) << input.name;
      EXPECT_FALSE(item.reason().empty()) << input.name;
      EXPECT_FALSE(item.detail().empty()) << input.name << ": " << item.reason();
    }
    EXPECT_LE(daemon.PeakKib() - idle_kib, kAllowedKib) << "after " << input.name;
  }
  // What passes SubmitReport's 3 MiB comes as an import; one at a time, since the bound is that of
  // a message, and parsers work side by side.
  const std::vector<ImportItem> large = {{"deep.eml", DeepMime(100'000)},
                                         {"noise", std::string(24 << 20, '\x1f')},
                                         {"feedback.eml", Feedback("A: b\r\n", 24 << 20)},
                                         {"r.json", "{\"policies\":[" + Repeated("{},", 24 << 20)},
                                         {"r.xml", InCharset("windows-1252", "\x80", 24 << 20)}};
  int answered = 0;
  for (const ImportItem& item : large) {
    EXPECT_TRUE(Import(daemon.channel(), {item}, [&](const v1::ItemResult& result) {
                  ++answered;
                  EXPECT_NE(result.items(0).outcome(), v1::ITEM_OUTCOME_STORED) << item.name;
                  EXPECT_FALSE(result.items(0).reason().empty()) << item.name;
                }).ok());
    EXPECT_LE(daemon.PeakKib() - idle_kib, kAllowedKib) << "after " << item.name;
  }
  EXPECT_EQ(answered, static_cast<int>(large.size()));
  fmt::print("idle {} MiB, peak {} MiB\n", idle_kib / 1024, daemon.PeakKib() / 1024);
  EXPECT_LE(daemon.PeakKib() - idle_kib, kAllowedKib);
  ASSERT_TRUE(Submit(daemon.channel(), MakeReportXml("last.test", "1", {1}), &response).ok());
  EXPECT_EQ(response.items(0).outcome(), v1::ITEM_OUTCOME_STORED);
  EXPECT_EQ(daemon.Stop(), 0) << daemon.log();
}

// What strangers call their files is nowhere the name of one (safety.md 3 A).
TEST(HostileInput, NoNameOfAStrangerIsAFile) {
  const std::string mark = "zzforeign";
  Daemon daemon;
  const absl::Status started = daemon.Start({"maildir"});
  ASSERT_TRUE(started.ok()) << started;
  std::vector<ImportItem> items;
  int number = 0;
  for (const std::string& name :
       {"../" + mark, "../../../../tmp/" + mark, "/tmp/" + mark, "/etc/" + mark, "..\\" + mark,
        "C:\\" + mark, mark + std::string("\0.xml", 5), mark + "\r\n", "./" + mark + "/../" + mark,
        mark + std::string(60'000, 'a'), mark + "\xE2\x80\xAElmx", "~/" + mark, mark}) {
    const auto report = [&] {
      return MakeReportXml("example.test", fmt::format("names-{}", ++number), {1});
    };
    items.push_back({name, report()});
    items.push_back({name + ".zip", ZipOf({{name, report()}})});
    items.push_back(
        {name + ".eml", Mail("application/octet-stream; name=\"" +
                                 name.substr(0, std::min(name.find('\0'), name.find('\r'))) + "\"",
                             report())});
  }
  int stored = 0;
  EXPECT_TRUE(Import(daemon.channel(), items, [&](const v1::ItemResult& result) {
                stored += result.items(0).outcome() == v1::ITEM_OUTCOME_STORED ? 1 : 0;
              }).ok());
  EXPECT_EQ(stored, static_cast<int>(items.size()));
  const std::filesystem::path root = daemon.directory().path();
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    ++files;
    EXPECT_EQ(entry.path().string().find(mark), std::string::npos) << entry.path();
  }
  EXPECT_GT(files, 5);
  for (const std::filesystem::path& place :
       {root.parent_path(), std::filesystem::path("/tmp"), std::filesystem::path("/etc"),
        std::filesystem::current_path()}) {
    EXPECT_FALSE(std::filesystem::exists(place / mark)) << place;
  }
  EXPECT_EQ(daemon.Stop(), 0) << daemon.log();
}

}  // namespace
}  // namespace dmarcate
