// AWS's own test suite for signatures (shared corpus sigv4), and one vector of it here.

#include "policyd/provider/route53/sigv4.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lib/base/text.h"
#include "lib/base/time.h"
#include "tests/testing/test_data.h"

namespace dmarcate {
namespace {

using testing_support::ReadWholeFile;

struct Vector {
  std::string method, target, body;
  std::vector<HttpHeader> headers;
};

Vector ParseVector(const std::string& text) {
  Vector out;
  const size_t end_of_head = text.find("\n\n");
  if (end_of_head != std::string::npos) out.body = text.substr(end_of_head + 2);
  const std::string head = text.substr(0, end_of_head);
  const std::vector<std::string_view> lines = Split(head, '\n');
  const size_t first = lines[0].find(' '), last = lines[0].rfind(' ');
  out.method = std::string(lines[0].substr(0, first));
  out.target = std::string(lines[0].substr(first + 1, last - first - 1));
  for (size_t i = 1; i < lines.size(); ++i) {
    if (lines[i].starts_with(' ')) {  // goes on
      out.headers.back().value += std::string(lines[i]);
      continue;
    }
    const size_t colon = lines[i].find(':');
    if (colon == std::string_view::npos) continue;
    out.headers.push_back(
        {std::string(lines[i].substr(0, colon)), std::string(lines[i].substr(colon + 1))});
  }
  return out;
}

// Dot segments and double slashes: what callers that have such paths do first.
std::string Normalized(const std::string& target) {
  const size_t question = target.find('?');
  std::string path = target.substr(0, question);
  const bool slash = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
  std::vector<std::string> kept;
  for (const std::string_view segment : Split(path, '/')) {
    if (segment == ".." && !kept.empty()) kept.pop_back();
    if (segment.empty() || segment == "." || segment == "..") continue;
    kept.emplace_back(segment);
  }
  path = "/" + Join(kept, "/");
  if (slash && path != "/") path += "/";
  return question == std::string::npos ? path : path + target.substr(question);
}

TEST(SigV4Test, EveryVectorOfTheSuite) {
  DMARCATE_CORPUS_OR_SKIP(root, "sigv4");
  int vectors = 0;
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    if (!entry.is_directory()) continue;
    const std::string folder = entry.path().string() + "/";
    SCOPED_TRACE(entry.path().filename().string());
    const auto context = nlohmann::json::parse(ReadWholeFile(folder + "context.json"));
    Vector vector = ParseVector(ReadWholeFile(folder + "request.txt"));
    const absl::Time now = ParseRfc3339(context.at("timestamp").get<std::string>()).value();
    const SigV4Scope scope{context.at("region"), context.at("service")};
    vector.headers.push_back({"X-Amz-Date", SigV4Time(now)});
    const auto& credentials = context.at("credentials");
    if (credentials.contains("token") && !context.value("omit_session_token", false)) {
      vector.headers.push_back({"X-Amz-Security-Token", credentials["token"]});
    }
    const std::string want = ReadWholeFile(folder + "header-canonical-request.txt");
    if (context.value("sign_body", false)) {
      vector.headers.push_back({"X-Amz-Content-Sha256", want.substr(want.rfind('\n') + 1)});
    }
    const std::string target =
        context.value("normalize", true) ? Normalized(vector.target) : vector.target;
    const std::string canonical =
        SigV4CanonicalRequest(vector.method, target, vector.headers, vector.body);
    EXPECT_EQ(canonical, want);
    const std::string to_sign = SigV4StringToSign(now, scope, canonical);
    EXPECT_EQ(to_sign, ReadWholeFile(folder + "header-string-to-sign.txt"));
    EXPECT_EQ(SigV4Signature(Secret(credentials.at("secret_access_key").get<std::string>()), now,
                             scope, to_sign),
              ReadWholeFile(folder + "header-signature.txt"));
    ++vectors;
  }
  EXPECT_EQ(vectors, 38);
}

TEST(SigV4Test, SignsARequest) {
  HttpRequest request;
  request.url = "https://example.amazonaws.com/";
  SignSigV4({"AKIDEXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), Secret()},
            {"us-east-1", "service"}, ParseRfc3339("2015-08-30T12:36:00Z").value(), request);
  ASSERT_EQ(request.headers.size(), 2u);
  EXPECT_EQ(request.headers[0], (HttpHeader{"X-Amz-Date", "20150830T123600Z"}));
  EXPECT_EQ(request.headers[1].value,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            "SignedHeaders=host;x-amz-date, "
            "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

}  // namespace
}  // namespace dmarcate
