// `dmarcate mta-sts policy` against a real policyd and a real name server, and policyd's HTTP port.

#include <sys/stat.h>

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
using testing_support::RealPowerDns;
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

// The ladder against both daemons and a PowerDNS: from start to an end, with the file served by
// policyd's HTTP port. No web server is behind mta-sts.example.test, so nothing is announced.
TEST(MtaStsCommands, ARolloutIsStartedSteeredAndEnded) {
  auto pdns = RealPowerDns::Start({MakeZone(
      "example.test", "@ MX 10 mx1\n_smtp._tls TXT \"v=TLSRPTv1; rua=mailto:t@example.test\"\n")});
  ASSERT_TRUE(pdns.ok()) << pdns.status();
  Daemons daemons;
  ASSERT_THAT(daemons.StartIngestd(), IsOk());
  daemons.directory().Write("secrets/pdns-key", (*pdns)->api_key());
  ASSERT_EQ(chmod(daemons.directory().File("secrets/pdns-key").c_str(), 0600), 0);
  const uint16_t port = FreePort();
  ASSERT_THAT(
      daemons.StartPolicyd(
          fmt::format("[watch]\ninterval = \"0s\"\n[http]\nlisten = \"127.0.0.1:{}\"\n", port),
          fmt::format("timeout = \"500ms\"\ndeadline = \"2s\"\n[[dns.stub]]\nzone = "
                      "\"example.test\"\nservers = [\"{}\"]\n",
                      (*pdns)->server())),
      IsOk());
  const auto run = [&daemons](std::vector<std::string> arguments, int exit_code = 0) {
    CommandResult result = daemons.Run(arguments);
    EXPECT_EQ(result.exit_code, exit_code) << arguments[1] << ": " << result.output;
    return result.output;
  };
  const auto served = [port] {
    CurlTransport http;
    HttpRequest request;
    request.url = "http://mta-sts.example.test/.well-known/mta-sts.txt";
    request.connect_to = fmt::format("127.0.0.1:{}", port);
    return http.Send(request).value_or(HttpResponse{});
  };
  run({"providers", "add", "main", "--type", "powerdns", "--api-url", (*pdns)->api_url(),
       "--secret", "pdns-key"});
  run({"domains", "add", "example.test", "--provider", "main"});

  // By hand: the file first. Nothing is served, so nothing is announced.
  const std::string file = daemons.directory().Write("mta-sts.txt", kFile);
  EXPECT_THAT(run({"changes", "plan", "example.test", "--mta-sts", file}, 6),
              AllOf(HasSubstr("MTA_STS_FILE"),
                    HasSubstr("see what is served, and what is not: dmarcate mta-sts policy "
                              "example.test")));
  run({"changes", "plan", "example.test", "--mta-sts", file, "--spf"}, 2);
  EXPECT_THAT(
      run({"changes", "plan", "example.test", "--mta-sts", daemons.directory().Write("no", "")}, 2),
      HasSubstr("--no-mta-sts"));
  EXPECT_THAT(run({"changes", "plan", "example.test", "--no-mta-sts"}),
              HasSubstr("the records say what was decided"));

  EXPECT_THAT(run({"mta-sts", "show", "example.test"}, 5),
              HasSubstr("dmarcate mta-sts start example.test"));
  EXPECT_THAT(run({"mta-sts", "start", "example.test", "--dry-run"}), HasSubstr("checked only"));
  run({"mta-sts", "show", "example.test"}, 5);
  run({"mta-sts", "start", "example.test", "--testing-days", "3"}, 2);
  EXPECT_THAT(run({"mta-sts", "start", "example.test"}),
              AllOf(HasSubstr("example.test: off since"), HasSubstr("mx        mx1.example.test")));
  run({"mta-sts", "start", "example.test"}, 7);
  EXPECT_THAT(run({"mta-sts", "list"}), HasSubstr("example.test"));
  run({"mta-sts", "show", "example.test", "--file"}, 6);
  EXPECT_EQ(served().status, 404);

  const std::string told = run({"mta-sts", "explain", "example.test"});
  for (const char* gate :
       {"dwell", "reporters", "failures", "mx", "file", "record", "tlsrpt", "window", "yes"}) {
    EXPECT_THAT(told, HasSubstr(fmt::format(" {}: ", gate)));
  }
  EXPECT_THAT(
      told, AllOf(HasSubstr("measured  1 MX hosts, 0 without a pattern"),
                  HasSubstr("see       dmarcate check example.test --inbound"),
                  HasSubstr("measured  one record, with an address"), HasSubstr("mode: testing")));
  EXPECT_THAT(run({"status", "example.test"}), HasSubstr("mta-sts"));

  EXPECT_THAT(run({"mta-sts", "pause", "example.test", "--note", "new servers"}),
              HasSubstr("new servers"));
  run({"mta-sts", "advance", "example.test", "--yes"}, 6);
  EXPECT_THAT(run({"mta-sts", "resume", "example.test"}), HasSubstr("active"));
  EXPECT_THAT(run({"mta-sts", "update", "example.test", "--mx", "mx1.example.test", "--mx",
                   "mx2.example.test"}),
              HasSubstr("mx        mx1.example.test, mx2.example.test"));
  run({"mta-sts", "update", "example.test"}, 2);

  // Steps are taken from Monday to Friday.
  const bool open = told.find("ok  window") != std::string::npos;
  const std::string advanced = run({"mta-sts", "advance", "example.test", "--yes"}, open ? 0 : 6);
  if (open) {
    EXPECT_THAT(advanced, HasSubstr("to be served since"));
    const HttpResponse now = served();
    EXPECT_EQ(now.status, 200);
    EXPECT_EQ(now.body,
              "version: STSv1\r\nmode: testing\r\nmx: mx1.example.test\r\nmx: "
              "mx2.example.test\r\nmax_age: 86400\r\n");
    EXPECT_THAT(run({"mta-sts", "show", "example.test", "--file"}), HasSubstr(now.body));
    EXPECT_THAT(run({"mta-sts", "explain", "example.test"}), HasSubstr("wait with the id"));
  } else {
    EXPECT_THAT(advanced, HasSubstr("window"));
  }
  // Nothing was announced, so it is over at once.
  run({"mta-sts", "abort", "example.test", "--to", "testing", "--yes"}, 2);
  EXPECT_THAT(run({"mta-sts", "abort", "example.test", "--to", "off", "--yes"}),
              HasSubstr("aborted"));
  EXPECT_EQ(served().status, 404);
  const Json log = Json::parse(run({"mta-sts", "show", "example.test", "--log", "-o", "json"}));
  EXPECT_GE(log["events"].size(), 5u);
}

}  // namespace
}  // namespace dmarcate
