// ScanMail against GMime's own parser: both must see the same leaves with the same decoded bytes,
// types and names, over every mail of the corpora.

#include <memory>
#include <string>
#include <vector>

#include <gmime/gmime.h>
#include <gtest/gtest.h>

#include "lib/base/file.h"
#include "lib/base/freer.h"
#include "lib/base/text.h"
#include "lib/mail/gmime_value.h"
#include "lib/mail/mime_scan.h"
#include "tests/lib/mail/generated_mail.h"
#include "tests/testing/test_data.h"

namespace dmarcate {
namespace {

template <typename T>
using GObjectPtr = std::unique_ptr<T, Freer<g_object_unref>>;

struct Leaf {
  std::string type, name, data;
  bool operator==(const Leaf&) const = default;
};

std::string TextOf(const char* text) { return text == nullptr ? "" : ToValidUtf8(text); }

void Collect(GMimeObject* object, std::vector<Leaf>* out) {
  if (GMIME_IS_MULTIPART(object)) {
    for (int i = 0; i < g_mime_multipart_get_count(GMIME_MULTIPART(object)); ++i) {
      Collect(g_mime_multipart_get_part(GMIME_MULTIPART(object), i), out);
    }
  } else if (GMIME_IS_MESSAGE_PART(object)) {
    GMimeMessage* message = g_mime_message_part_get_message(GMIME_MESSAGE_PART(object));
    Collect(g_mime_message_get_mime_part(message), out);
  } else if (GMIME_IS_PART(object)) {
    GMimePart* part = GMIME_PART(object);
    const GObjectPtr<GMimeStream> stream(g_mime_stream_mem_new());
    if (GMimeDataWrapper* content = g_mime_part_get_content(part)) {
      g_mime_data_wrapper_write_to_stream(content, stream.get());
    }
    const GByteArray* bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream.get()));
    GMimeContentType* type = g_mime_object_get_content_type(object);
    const std::unique_ptr<char, Freer<g_free>> type_text(g_mime_content_type_get_mime_type(type));
    out->push_back({AsciiLower(TextOf(type_text.get())), TextOf(g_mime_part_get_filename(part)),
                    std::string(reinterpret_cast<const char*>(bytes->data), bytes->len)});
  }
}

std::vector<Leaf> ByGmime(const std::string& bytes) {
  GmimeParseContentType("text/plain");  // initialises GMime
  const GObjectPtr<GMimeStream> stream(
      g_mime_stream_mem_new_with_buffer(bytes.data(), bytes.size()));
  const GObjectPtr<GMimeParser> parser(g_mime_parser_new_with_stream(stream.get()));
  const GObjectPtr<GMimeMessage> message(g_mime_parser_construct_message(parser.get(), nullptr));
  std::vector<Leaf> out;
  if (message != nullptr) Collect(g_mime_message_get_mime_part(message.get()), &out);
  return out;
}

std::vector<Leaf> ByScan(const std::string& bytes) {
  std::vector<Leaf> out;
  for (const MailLeaf& leaf : ScanMail(bytes, {}).leaves) {
    out.push_back({leaf.content_type, leaf.file_name, DecodeBody(leaf.body, leaf.encoding).data});
  }
  return out;
}

// Where we read on purpose what GMime does not: a multipart without parts is a leaf (M6),
// "ContentType:" is a Content-Type (M7), a slashless type has parameters (M2),
// and the octets of an unpadded quantum of base64 are kept (M14).
bool IsKnownToDiffer(const std::string& file) {
  for (const char* name : {"/m02-", "/m06-", "/m07-", "/m14-"}) {
    if (file.find(name) != std::string::npos) return true;
  }
  return false;
}

void ExpectSameLeaves(const std::string& file) {
  const auto bytes = ReadFile(file, 25 << 20);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  const std::vector<Leaf> want = ByGmime(*bytes);
  const std::vector<Leaf> got = ByScan(*bytes);
  ASSERT_EQ(got.size(), want.size()) << file;
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].type, want[i].type) << file << " leaf " << i;
    EXPECT_EQ(got[i].name, want[i].name) << file << " leaf " << i;
    EXPECT_TRUE(got[i].data == want[i].data)
        << file << " leaf " << i << ": " << got[i].data.size() << " bytes, GMime "
        << want[i].data.size() << "\n"
        << EscapeForTerminal(got[i].data.substr(0, 300)) << "\n"
        << EscapeForTerminal(want[i].data.substr(0, 300));
  }
}

TEST(MailOracle, GmimeSeesTheSameLeavesInOurSamples) {
  int checked = 0;
  for (const std::string& file : FilesBelow("tests/data/unpack", ".eml")) {
    if (IsKnownToDiffer(file)) continue;
    ++checked;
    ExpectSameLeaves(file);
  }
  EXPECT_GE(checked, 10);
}

TEST(MailOracle, GmimeSeesTheSameLeavesInTheCorpus) {
  DMARCATE_CORPUS_OR_SKIP(root, "reports");
  for (const std::string& file : FilesBelow(root, ".eml")) ExpectSameLeaves(file);
}

TEST(MailOracle, GmimeSeesTheSameLeavesInGeneratedMail) {
  if (!HaveReportGenerator()) GTEST_SKIP() << "no generator here";
  for (const std::vector<std::string>& ends : {std::vector<std::string>{}, {"--crlf"}}) {
    const testing_support::TempDir directory;
    GenerateReports(directory, 200, ends);
    const std::vector<std::string> files = FilesBelow(directory.path(), ".eml");
    EXPECT_GE(files.size(), 200u);
    for (const std::string& file : files) ExpectSameLeaves(file);
  }
}

}  // namespace
}  // namespace dmarcate
