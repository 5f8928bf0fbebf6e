// One stream, one way to split it: the published smuggling sequences, and generated streams against
// a splitter of another make. And nothing is relayed.

#include <algorithm>
#include <optional>
#include <random>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "ingestd/intake/smtp/protocol/session.h"
#include "lib/base/text.h"
#include "tests/ingestd/smtp/driver.h"

namespace dmarcate {
namespace {

using namespace std::string_literals;
using ingest_testing::CodesOf;
using ingest_testing::Conversation;
using ingest_testing::Converse;
using ingest_testing::TestRecipients;

SmtpSessionOptions Lenient() {  // no count ends it: those have tests of their own
  SmtpSessionOptions out;
  out.hostname = "mx.reports.test";
  out.limits.errors = out.limits.commands = 1'000'000;
  return out;
}

const std::string kHead =
    "EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<dmarc@reports.test>\r\nDATA\r\n";
const std::string kSmuggled =
    "MAIL FROM:<evil@b.test>\r\nRCPT TO:<dmarc@reports.test>\r\nDATA\r\nsmuggled";

struct Sequence {
  std::string name, bytes;
};
// VU#302671, CVE-2023-51764, -51765, -51766 and what was published after them; and their kin.
const Sequence kSequences[] = {
    {"LfDotLf", "\n.\n"},
    {"LfDotCrLf", "\n.\r\n"},
    {"CrLfDotLf", "\r\n.\n"},
    {"CrDotCr", "\r.\r"},
    {"CrDotCrLf", "\r.\r\n"},
    {"CrLfDotCr", "\r\n.\r"},
    {"CrDotLf", "\r.\n"},
    {"LfDotCr", "\n.\r"},
    {"CrCrLfDotCrLf", "\r\r\n.\r\r\n"},
    {"CrLfDotCrCrLf", "\r\n.\r\r\n"},
    {"CrCrLfDotCrCrLf", "\r\r\n.\r\r\n\r"},
    {"LfLfDotLfLf", "\n\n.\n\n"},
    {"LfCrDotLfCr", "\n\r.\n\r"},
    {"CrLfNulDotCrLf", "\r\n\0.\r\n"s},
    {"CrLfDotNulCrLf", "\r\n.\0\r\n"s},
    {"CrNulLfDotCrLf", "\r\0\n.\r\n"s},
    {"CrLfDotCrNulLf", "\r\n.\r\0\n"s},
    {"NulCrDotNul", "\0\r.\0"s},
    {"CrLfDotBlankCrLf", "\r\n. \r\n"},
    {"CrLfBlankDotCrLf", "\r\n .\r\n"},
    {"CrLfDotTabCrLf", "\r\n.\t\r\n"},
    {"CrLfDotDotCrLf", "\r\n..\r\n"},
    {"CrLfDotVtCrLf", "\r\n.\v\r\n"},
    {"VtDotVt", "\v.\v"},
    {"FfDotFf", "\f.\f"},
    {"NelDotNel", "\xc2\x85.\xc2\x85"},
    {"RawNelDotRawNel", "\x85.\x85"},
    {"LineSeparator", "\xe2\x80\xa8.\xe2\x80\xa8"},
    {"OverlongLf", "\xc0\x8a.\xc0\x8a"},
    {"HighBitCrLf", "\x8d\x8a.\x8d\x8a"},
    {"WrittenOut", "\\r\\n.\\r\\n"},
    {"QuotedPrintable", "=0D=0A.=0D=0A"},
    {"LfDotLfDotCr", "\n.\n.\r"},
    {"FullwidthDot", "\r\n\xef\xbc\x8e\r\n"},
    {"OneDotLeader", "\r\n\xe2\x80\xa4\r\n"},
    {"DelAfterDot", "\r\n.\x7f\r\n"},
    {"BackspaceDot", "\r\nx\b.\r\n"},
};

class SmugglingSequence : public testing::TestWithParam<Sequence> {};
TEST_P(SmugglingSequence, NeverMakesTwoMessages) {
  const std::string& bytes = GetParam().bytes;
  const std::string input = kHead + "first" + bytes + kSmuggled + "\r\n.\r\nQUIT\r\n";
  // Cut before, within and behind the sequence, too, as segments would be.
  const size_t begin = input.find("first");
  const SmtpSessionOptions options = Lenient();
  for (size_t cut = begin; cut < begin + bytes.size() + 12; ++cut) {
    SmtpSession session(options, TestRecipients());
    const Conversation got = Converse(session, input, [&](std::string_view left) {
      return left.size() == input.size() ? cut : left.size();
    });
    EXPECT_LE(got.messages.size(), 1u);
    EXPECT_EQ(got.close_reason, "quit");
    EXPECT_THAT(CodesOf(got.replies),
                testing::AnyOf("220 250 250 250 354 250 221", "220 250 250 250 354 554 221"));
    for (const SmtpMessage& message : got.messages) {
      EXPECT_EQ(message.mail_from, "a@b.test");
      EXPECT_THAT(message.content, testing::HasSubstr("smuggled"));
    }
    bool bare = false;
    for (size_t i = 0; i < bytes.size(); ++i) {
      bare |= bytes[i] == '\r' && (i + 1 == bytes.size() || bytes[i + 1] != '\n');
      bare |= bytes[i] == '\n' && (i == 0 || bytes[i - 1] != '\r');
    }
    EXPECT_EQ(got.messages.empty(), bare);
  }
}
INSTANTIATE_TEST_SUITE_P(All, SmugglingSequence, testing::ValuesIn(kSequences),
                         [](const auto& instance) { return instance.param.name; });

// What a stream says, by searching in the whole of it.
struct Split {
  std::vector<std::string> contents;
  int refused = 0;  // messages
  bool closed = false;
};

Split SplitByReference(const std::string& stream) {
  Split out;
  bool hello = false, mail = false, rcpt = false;
  size_t at = 0;
  while (true) {
    const size_t end = stream.find_first_of("\r\n", at);
    if (end == std::string::npos) return out;
    if (stream[end] == '\r' && end + 1 == stream.size()) return out;
    if (stream.compare(end, 2, "\r\n") != 0) {
      out.closed = true;
      return out;
    }
    const std::string command = stream.substr(at, end - at);
    at = end + 2;
    if (command == "QUIT") {
      out.closed = true;
      return out;
    }
    if (command == "EHLO c") {
      hello = true;
      mail = rcpt = false;
    } else if (command == "RSET") {
      mail = rcpt = false;
    } else if (command == "MAIL FROM:<>") {
      mail |= hello;
    } else if (command == "RCPT TO:<dmarc@reports.test>") {
      rcpt |= mail;
    } else if (command == "DATA" && rcpt) {
      const size_t dot = stream.find("\r\n.\r\n", at - 2);
      // A CR at the very end may still belong to a line end; nothing is told before.
      if (dot == std::string::npos) return out;
      std::string content = dot + 2 <= at ? "" : stream.substr(at, dot + 2 - at);
      bool bare = false;
      for (size_t i = 0; i < content.size(); ++i) {
        if (content[i] == '\r') bare |= i + 1 == content.size() || content[i + 1] != '\n';
        if (content[i] == '\n') bare |= i == 0 || content[i - 1] != '\r';
      }
      if (content.starts_with(".")) content.erase(0, 1);
      for (size_t i = 0; (i = content.find("\r\n.", i)) != std::string::npos; i += 2) {
        content.erase(i + 2, 1);
      }
      if (bare || content.empty()) {
        ++out.refused;
      } else {
        out.contents.push_back(content);
      }
      mail = rcpt = false;
      at = dot + 5;
    }
  }
}

TEST(SmugglingTest, GeneratedStreamsSplitAsTheGrammarSays) {
  const std::string kTokens[] = {
      "\r\n",
      "\r\n",
      "\r",
      "\n",
      ".",
      "..",
      "\r\n.\r\n",
      "\r\n.\r\n",
      "\n.\n",
      "\n.\r\n",
      "\r\n.\n",
      "\r.\r",
      "\r\n.\r",
      "\0"s,
      "a",
      "text",
      "\xff",
      "DATA\r\n",
      "DATA\r\n",
      "MAIL FROM:<>\r\n",
      "EHLO c\r\n",
      "RSET\r\n",
      "NOOP\r\n",
      "QUIT\r\n",
      "\r\n..\r\n",
      "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<dmarc@reports.test>\r\nDATA\r\n",
      "MAIL FROM:<>\r\nRCPT TO:<dmarc@reports.test>\r\nDATA\r\n",
      "RCPT TO:<dmarc@reports.test>\r\n",
  };
  const SmtpSessionOptions options = Lenient();
  std::mt19937 random(20240117);
  const auto below = [&random](size_t n) { return random() % n; };
  size_t messages = 0, refused = 0, closed = 0;
  for (int round = 0; round < 100'000; ++round) {
    std::string stream;
    if (below(4) != 0) {
      stream = "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<dmarc@reports.test>\r\nDATA\r\n";
    }
    // Some hold bare line ends seldom, so that what comes behind is looked at as well.
    const bool tame = below(2) == 0;
    for (size_t n = 1 + below(16); n > 0; --n) {
      const std::string& token = kTokens[below(std::size(kTokens))];
      const bool wild =
          token.size() < 5 && token != "\r\n" && token.find_first_of("\r\n") != std::string::npos;
      if (!tame || !wild || below(20) == 0) stream += token;
    }
    const Split want = SplitByReference(stream);
    SmtpSession session(options, TestRecipients());
    const size_t piece = 1 + below(12);
    const bool in_pieces = below(2) == 0;
    const Conversation got = Converse(session, stream, [&](std::string_view left) {
      return in_pieces ? std::min(piece, left.size()) : left.size();
    });
    std::vector<std::string> contents;
    for (const SmtpMessage& message : got.messages) contents.push_back(message.content);
    ASSERT_EQ(contents, want.contents) << EscapeForTerminal(stream);
    ASSERT_EQ(!got.close_reason.empty(), want.closed) << EscapeForTerminal(stream);
    const std::string codes = CodesOf(got.replies);
    int refusals = 0;
    for (size_t at = 0; (at = codes.find("554", at)) != std::string::npos; ++at) ++refusals;
    ASSERT_EQ(refusals, want.refused) << EscapeForTerminal(stream);
    messages += contents.size();
    refused += static_cast<size_t>(refusals);
    closed += want.closed ? 1 : 0;
  }
  // The streams are worth looking at.
  EXPECT_GT(messages, 20'000u);
  EXPECT_GT(refused, 5'000u);
  EXPECT_GT(closed, 20'000u);
}

const char* const kRelayPatterns[] = {
    "<user@elsewhere.test>",
    "<dmarc%elsewhere.test@reports.test>",
    "<dmarc%reports.test@elsewhere.test>",
    "<user%elsewhere.test@dmarc@reports.test>",
    "<elsewhere.test!user@reports.test>",
    "<elsewhere.test!dmarc>",
    "<reports.test!dmarc@elsewhere.test>",
    "<elsewhere.test!reports.test!dmarc@reports.test>",
    "<@elsewhere.test:dmarc@reports.test>",
    "<@reports.test:user@elsewhere.test>",
    "<@reports.test,@elsewhere.test:dmarc@reports.test>",
    "<@a.test,@b.test,@c.test:user@d.test>",
    "<@:dmarc@reports.test>",
    "<\"dmarc\"@reports.test>",
    "<\"user@elsewhere.test\"@reports.test>",
    "<\"user%elsewhere.test\"@reports.test>",
    "<\"elsewhere.test!user\"@reports.test>",
    "<\"dmarc@reports.test\"@elsewhere.test>",
    "<\"user@elsewhere.test\">",
    "<\"dmarc@reports.test\">",
    "<\"dm\\arc\"@reports.test>",
    "<\"\"@reports.test>",
    "<\" dmarc\"@reports.test>",
    "<\"dmarc>\"@reports.test>",
    "<dmarc\\@reports.test>",
    "<dm\\arc@reports.test>",
    "<user@elsewhere.test@reports.test>",
    "<dmarc@reports.test@elsewhere.test>",
    "<dmarc@[127.0.0.1]>",
    "<dmarc@[192.0.2.1]>",
    "<dmarc@[IPv6:::1]>",
    "<user%elsewhere.test@[127.0.0.1]>",
    "<user@elsewhere.test@[127.0.0.1]>",
    "<dmarc@localhost>",
    "<dmarc@>",
    "<@reports.test>",
    "<dmarc>",
    "<user>",
    "<>",
    "<@>",
    "<dmarc@reports.test.>",
    "<dmarc@.reports.test>",
    "<dmarc@reports..test>",
    "<dmarc@sub.reports.test>",
    "<dmarc@reports.test.elsewhere.test>",
    "<dmarc@reports>",
    "<dmarc+x@reports.test>",
    "<dmarc.@reports.test>",
    "<.dmarc@reports.test>",
    "<dmarc..x@reports.test>",
    "<(comment)dmarc@reports.test>",
    "<dmarc(comment)@reports.test>",
    "<dmarc@(comment)reports.test>",
    "<dmarc @reports.test>",
    "<dmarc@ reports.test>",
    "< dmarc@reports.test>",
    "<dmarc@reports.test >",
    "<=?utf-8?q?dmarc?=@reports.test>",
    "<dmarc=40elsewhere.test@reports.test>",
    "<dmarc%40reports.test>",
    "<&#100;marc@reports.test>",
    "<+64dmarc@reports.test>",
    "<IMCEASMTP-dmarc+40elsewhere+2Etest@reports.test>",
    "<dmarc,user@elsewhere.test>",
    "<dmarc@reports.test,user@elsewhere.test>",
    "<dmarc@reports.test;user@elsewhere.test>",
    "<dmarc@reports.test:25>",
    "<dmarc:elsewhere.test@reports.test>",
    "<smtp:dmarc@reports.test>",
    "<mailto:dmarc@reports.test>",
    "<dmarc@reports.test?cc=user@elsewhere.test>",
    "<|/bin/sh@reports.test>",
    "</etc/passwd@reports.test>",
    "<:include:/etc/passwd@reports.test>",
    "<postmaster>",
    "<postmaster@reports.test>",
    "<<dmarc@reports.test>>",
    "<dmarc@reports.test><user@elsewhere.test>",
    "<dmarc@reports.test>,<user@elsewhere.test>",
    "dmarc@reports.test",
    "\"dmarc@reports.test\"",
    "<dmarc@reports.test",
    "dmarc@reports.test>",
    "Dmarc <dmarc@reports.test>",
};
TEST(RelayTest, NoPatternIsAccepted) {
  ASSERT_GE(std::size(kRelayPatterns), 60u);
  const SmtpSessionOptions options = Lenient();
  for (const std::string pattern : kRelayPatterns) {
    SmtpSession session(options, TestRecipients());
    const Conversation got = Converse(
        session, fmt::format("EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:{}\r\nDATA\r\n", pattern));
    EXPECT_THAT(CodesOf(got.replies), testing::AnyOf("220 250 250 550 503", "220 250 250 501 503"))
        << pattern;
  }
}

TEST(RelayTest, AnAddressIsComparedWithoutCaseAndAsAWhole) {
  const RecipientTable& table = TestRecipients();
  for (const char* path : {"dmarc@reports.test", "DMARC@REPORTS.TEST", "tls@Reports.test"}) {
    const auto mailbox = ParseMailbox(path);
    ASSERT_TRUE(mailbox.has_value()) << path;
    EXPECT_TRUE(table.Accepts(*mailbox)) << path;
  }
}

TEST(RecipientsTest, OnlyPlainAddressesAreConfigured) {
  for (const std::string wrong : {"", "dmarc", "@reports.test", "a b@reports.test",
                                  "\"a\"@reports.test", "a%b@reports.test", "a@[192.0.2.1]"}) {
    EXPECT_EQ(ConfiguredRecipients::Parse({"a@b.test", wrong}).status().code(),
              absl::StatusCode::kInvalidArgument)
        << wrong;
  }
  const auto table =
      ConfiguredRecipients::Parse({"a@b\xc3\xbc"
                                   "cher.test"});
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_TRUE(table->Accepts(*ParseMailbox("A@xn--bcher-kva.test")));
}

}  // namespace
}  // namespace dmarcate
