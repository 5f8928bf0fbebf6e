// `dmarcate mta-sts policy` against a real policyd and a real name server, and policyd's HTTP port.

#include <string>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "lib/base/file.h"
#include "lib/http/curl_transport.h"
#include "tests/cli/daemons.h"
#include "tests/testing/process.h"
#include "tests/testing/servers.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using cli_testing::Daemons;
using testing::AllOf;
using testing::HasSubstr;
using testing_support::CommandResult;
using testing_support::FreePort;
using testing_support::IsOk;
using testing_support::MakeZone;
using testing_support::RealBind;
using testing_support::RunCommand;
using Json = nlohmann::json;

constexpr char kFile[] =
    "version: STSv1\r\nmode: testing\r\nmx: mx1.example.test\r\nmx: mx2.example.test\r\n"
    "max_age: 86400\r\n";

TEST(MtaStsCommands, PolicyIsForWhoeverHostsIt) {
  auto bind = RealBind::Start({MakeZone("example.test",
                                        "@ MX 10 mx1\n"
                                        "@ MX 20 mx2\n"
                                        "_mta-sts TXT \"v=STSv1; id=20260101;\"\n")});
  ASSERT_TRUE(bind.ok()) << bind.status();
  Daemons daemons;
  ASSERT_THAT(daemons.StartIngestd(), IsOk());
  const uint16_t port = FreePort();
  ASSERT_THAT(MakeDirectories(daemons.directory().File("mta-sts"), 0700), IsOk());
  ASSERT_THAT(daemons.StartPolicyd(
                  fmt::format("[http]\nlisten = \"127.0.0.1:{}\"\nmta_sts_directory = \"{}\"\n",
                              port, daemons.directory().File("mta-sts")),
                  fmt::format("resolvers = [\"{}\"]", (*bind)->server())),
              IsOk());
  ASSERT_EQ(daemons.Run({"domains", "add", "example.test"}).exit_code, 0);

  const std::vector<std::string> command = daemons.Command({"mta-sts", "policy", "example.test"});
  std::vector<std::string> only_output = {"sh", "-c", "exec \"$@\" 2>/dev/null", "sh"};
  only_output.insert(only_output.end(), command.begin(), command.end());
  const auto file = RunCommand(only_output);
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->exit_code, 0);
  EXPECT_EQ(file->output, kFile) << "nothing but the file, byte for byte";
  const CommandResult shown = daemons.Run({"mta-sts", "policy", "example.test"});
  EXPECT_THAT(shown.output, AllOf(HasSubstr("https://mta-sts.example.test/.well-known/mta-sts.txt: "
                                            "mta-sts.example.test"),
                                  HasSubstr("_mta-sts.example.test: v=STSv1; id="),
                                  HasSubstr("(live: one record, id 20260101)")));

  const CommandResult json =
      daemons.Run({"mta-sts", "policy", "example.test", "--mode", "enforce", "--mx",
                   "*.example.net", "--mx", "mx1.example.test", "-o", "json"});
  ASSERT_EQ(json.exit_code, 0) << json.output;
  const Json policy = Json::parse(json.output);
  EXPECT_EQ(policy["file"],
            "version: STSv1\r\nmode: enforce\r\nmx: *.example.net\r\nmx: mx1.example.test\r\n"
            "max_age: 2592000\r\n");
  EXPECT_EQ(policy["policy"]["mode"], "MODE_ENFORCE");
  EXPECT_EQ(policy["unmatched_mx_hosts"], Json::array({"mx2.example.test"}));

  EXPECT_EQ(daemons.Run({"mta-sts", "policy", "example.test", "--mx", "mx_1"}).exit_code, 2);
  EXPECT_EQ(daemons.Run({"mta-sts", "policy", "other.test"}).exit_code, 5);
  EXPECT_EQ(daemons.Run({"mta-sts", "policy", "example.test", "--max-age", "5"}).exit_code, 2);

  // Put where policyd serves it, it is what a proxy gets for that host.
  daemons.directory().Write("mta-sts/example.test.txt", file->output);
  CurlTransport http;
  HttpRequest request;
  request.url = "http://mta-sts.example.test/.well-known/mta-sts.txt";
  request.connect_to = fmt::format("127.0.0.1:{}", port);
  const auto served = http.Send(request);
  ASSERT_THAT(served, IsOk());
  EXPECT_EQ(served->status, 200);
  EXPECT_EQ(served->body, kFile);
  request.url = "http://mta-sts.other.test/.well-known/mta-sts.txt";
  EXPECT_EQ(http.Send(request).value_or(HttpResponse{}).status, 404);
  request.url = "http://127.0.0.1/readyz";
  EXPECT_EQ(http.Send(request).value_or(HttpResponse{}).status, 200);
}

}  // namespace
}  // namespace dmarcate
