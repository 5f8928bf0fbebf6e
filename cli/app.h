// cli/app.h
// What every command works with: the global options, the channels to the daemons, and how a failure
// is told. Commands hold no policy: each is one RPC (or one of the offline libraries) and a table.

#ifndef DMARCATE_CLI_APP_H_
#define DMARCATE_CLI_APP_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "cli/output.h"

namespace CLI {
class App;
}
namespace grpc {
class Channel;
class ClientContext;
class Status;
}  // namespace grpc

namespace dmarcate::cli {

// docs/cli.md lists them; they are stable.
enum ExitCode : int {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,
  kDifferences = 3,
  kNotAllowed = 4,
  kNotFound = 5,
  kRefused = 6,
  kChangedUnderneath = 7,
  kUnavailable = 8,
  kPartFailed = 9,
  kNotVerified = 10,
  kStillRunning = 11,
  kInterrupted = 130,
};

enum class Confirmation : uint8_t { kMild, kSerious };

class App {
 public:
  // Adds the global options to `root`.
  explicit App(CLI::App* root);
  ~App();

  Format format() const;
  // Takes the format from the words of a command line that could not be parsed as a whole, so that
  // even the error about it has the shape that was asked for.
  void TakeFormat(const std::vector<std::string>& words);
  // Channels are made on first use. `endpoint` forms: "unix:/path", "address:port".
  std::shared_ptr<grpc::Channel> policyd();
  std::shared_ptr<grpc::Channel> ingestd();
  // Deadline and credentials for one call. `daemon` is the one that the call goes to.
  enum class Daemon : uint8_t { kPolicyd, kIngestd };
  void Prepare(grpc::ClientContext* context, Daemon daemon, absl::Duration timeout);
  // What the next call takes its time for, told to who waits for it (Waiting).
  void Expect(std::string what) { expected_ = std::move(what); }
  std::string TakeExpected(Daemon daemon);
  // The resource that the last call is about, whose names stand in the next steps of a failure.
  void AskAbout(std::string resource) { about_ = std::move(resource); }

  // Tells what failed in the four-part shape (what, why, what was left untouched, next) on stderr,
  // with -o json as one object in the last line, and gives the exit code.
  int Fail(std::string_view what, const grpc::Status& status) const;
  int Fail(std::string_view what, const absl::Status& status,
           const std::vector<std::string>& next = {}) const;
  // `details` are the numbers and names of the message, one line each.
  int Fail(int exit_code, std::string_view reason, std::string_view what, std::string_view why,
           const std::vector<std::string>& next = {},
           const std::map<std::string, std::string>& details = {}) const;

  // The stable code of a failed call; empty: it has none.
  static std::string ReasonOf(const grpc::Status& status);
  // What to do after a failure with this reason, about what was asked last.
  std::vector<std::string> NextStepsOf(std::string_view reason) const;
  // Tells next steps on stderr as Fail() does, with the names of what was asked about last.
  void Try(std::vector<std::string> next) const;

  // A short id was given without --domain. `command`: "reports get".
  int MissingDomain(std::string_view command, std::string_view id) const;

  // A note for a person on stderr.
  void Note(std::string_view text) const;
  // Asks on a terminal; elsewhere --yes is needed. True: go on. False: kFailed, all has been told.
  bool Confirm(Confirmation level, std::string_view question) const;
  // For what cannot be undone: `name` has to be typed; elsewhere --confirm has to be `name`, which
  // is `given`. --yes is not enough.
  bool ConfirmName(std::string_view question, std::string_view name, std::string_view given) const;

  // A command registers what is to be run once the command line is known to be right.
  void OnSelected(CLI::App* command, std::function<int()> run);
  int Run();

 private:
  struct Options;
  // kInvalidArgument for another host without TLS; kNotFound and the like for --ca-file.
  absl::Status CheckEndpoints() const;
  std::shared_ptr<grpc::Channel> Connect(const std::string& endpoint) const;
  std::unique_ptr<Options> options_;
  const std::string& EndpointAsked() const;
  std::shared_ptr<grpc::Channel> policyd_, ingestd_;
  Daemon asked_ = Daemon::kPolicyd;  // by the last call
  std::string about_, expected_;
  std::function<int()> run_;
};

// "example.com" or "domains/example.com" to the resource name.
std::string DomainResource(std::string_view domain);
// "sendgrid" with a domain, or the whole resource name. Empty if the domain is missing.
std::string ChildResource(std::string_view id, std::string_view collection,
                          std::string_view domain);
// What stands after the last slash.
std::string_view LastSegment(std::string_view name);

// One for each command group; each adds itself to `root`.
void AddDomains(CLI::App* root, App* app);
void AddSources(CLI::App* root, App* app);
void AddStats(CLI::App* root, App* app);
void AddStatus(CLI::App* root, App* app);
void AddSimulate(CLI::App* root, App* app);
void AddRecords(CLI::App* root, App* app);
void AddInsights(CLI::App* root, App* app);
void AddAlerts(CLI::App* root, App* app);
void AddChanges(CLI::App* root, App* app);
void AddRollout(CLI::App* root, App* app);
void AddReports(CLI::App* root, App* app);
void AddProviders(CLI::App* root, App* app);
void AddTls(CLI::App* root, App* app);
void AddParse(CLI::App* root, App* app);
void AddCheck(CLI::App* root, App* app);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_APP_H_
