#include <algorithm>
#include <fstream>

#include "fmt/format.h"
#include "gtest/gtest.h"

#include "tests/ingestd/kill/senders.h"
#include "tests/testing/maildir.h"

namespace dmarcate::ingest_testing {
namespace {

using testing_support::DeliverToMaildir;
using testing_support::DirectoryWatch;
using testing_support::MaildirFlags;

// Mails on their way at a time, for each start of the daemon.
constexpr int kWindow = 8;
// How soon it is seen that the gate was closed.
constexpr absl::Duration kSlice = absl::Milliseconds(50);

// Nothing: it has got another name since.
std::optional<int> ReportInFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string head(200, '\0');
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  return ReportInMail(head);
}

std::vector<std::string> SignDirectories(const MailboxRoute& route) {
  if (route.sign == MailboxRoute::Sign::kFlag) return {route.maildir + "/cur"};
  return {route.moved_to + "/new", route.moved_to + "/cur"};
}

}  // namespace

void FillMailbox(const MailboxRoute& route, Gate& gate, Ledger& ledger) {
  DirectoryWatch watch(SignDirectories(route));
  std::vector<int> open;  // delivered and not acknowledged; the same one twice, perhaps
  int delivered = 0;
  bool closed = false;
  while (const auto channel = gate.Await()) {
    // What was there at the start is taken in its own time.
    int on_their_way = 0;
    while (gate.IsOpen(channel)) {
      for (; !closed && on_their_way < kWindow; ++on_their_way) {
        const std::optional<int> report = ledger.Next(route.way);
        closed = !report;
        if (closed) break;
        DeliverToMaildir(route.maildir, fmt::format("{}.{}", delivered++, *report),
                         MailOf(*report));
        open.push_back(*report);
      }
      for (const std::string& path : watch.Wait(kSlice)) {
        if (route.sign == MailboxRoute::Sign::kFlag && MaildirFlags(path) != "S") continue;
        const std::optional<int> report = ReportInFile(path);
        if (!report) continue;
        const auto found = std::ranges::find(open, *report);
        if (found == open.end()) {
          ADD_FAILURE() << path << ": nobody delivered it, or it has come before";
          continue;
        }
        open.erase(found);
        ledger.Acknowledge(*report, route.way);
        on_their_way = std::max(0, on_their_way - 1);
      }
      if (closed && open.empty()) return;
    }
  }
}

}  // namespace dmarcate::ingest_testing
