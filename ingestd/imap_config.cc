#include "ingestd/imap_config.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "fmt/format.h"

#include "lib/base/ip_address.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/imap/words.h"

namespace dmarcate {
namespace {

constexpr size_t kFoldersLimit = 64;
constexpr absl::Duration kShortestInterval = absl::Seconds(1);
constexpr absl::Duration kShortestTimeout = absl::Seconds(1), kLongestTimeout = absl::Minutes(5);

// A literal address, since a name can lead anywhere.
bool IsLoopback(std::string_view host) {
  const auto address = IpAddress::Parse(host);
  return address && (host == "::1" || (address->is_v4() && address->v4() >> 24 == 127));
}

bool HasControl(std::string_view s) {
  return std::ranges::any_of(s, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

void ReadServer(TomlConfig& table, ImapServer* out) {
  out->host = table.String("host", "");
  if (out->host.empty() || !std::ranges::all_of(out->host, [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_' || c == ':';
      })) {
    table.Reject("host", "want the name or address of the IMAP server");
  }
  const std::string tls = table.String("tls", "required");
  const bool insecure = table.Bool("insecure_loopback", false);
  if (tls == "required") {
    out->tls = ImapTls::kRequired;
  } else if (tls == "starttls") {
    out->tls = ImapTls::kStartTls;
  } else if (tls == "none") {
    out->tls = ImapTls::kPlain;
    if (!insecure || !IsLoopback(out->host)) {
      table.Reject("tls",
                   "'none' sends the password as it is: only to 127.0.0.1 or ::1, and with "
                   "insecure_loopback = true");
    }
  } else {
    table.Reject("tls", fmt::format("'{}', want one of: required, starttls, none", tls));
  }
  out->port = static_cast<uint16_t>(
      table.Int("port", out->tls == ImapTls::kRequired ? 993 : 143, 1, 65535));
  out->ca_file = table.String("ca_file", "");
  out->timeout = table.Duration("timeout", out->timeout);
  if (out->timeout < kShortestTimeout || out->timeout > kLongestTimeout) {
    table.Reject("timeout", "want 1s to 5m");
  }
}

void ReadLogin(TomlConfig& table, ImapAccount* out) {
  out->server.user = table.String("user", "");
  if (out->server.user.empty() || HasControl(out->server.user)) {
    table.Reject("user", "want the name to log in with");
  }
  out->password_file = table.String("password_file", "");
  out->token_command = table.Strings("token_command", {});
  if (out->password_file.empty() == out->token_command.empty()) {
    table.Reject("password_file", "want either this or token_command");
  } else if (!out->token_command.empty()) {
    out->server.login = ImapLogin::kXoauth2;
    if (!out->token_command[0].starts_with('/') ||
        std::ranges::any_of(out->token_command, [](const std::string& word) {
          return word.find('\0') != std::string::npos;
        })) {
      table.Reject("token_command", "want the absolute path of a program, then its arguments");
    }
  } else if (!out->password_file.starts_with('/')) {
    table.Reject("password_file", "want an absolute path");
  }
}

void ReadFolders(TomlConfig& table, ImapAccount* out) {
  out->folders = table.Strings("folders", out->folders);
  if (out->folders.empty() || out->folders.size() > kFoldersLimit) {
    table.Reject("folders", fmt::format("want 1 to {} names", kFoldersLimit));
  }
  for (size_t i = 0; i < out->folders.size(); ++i) {
    const std::string& folder = out->folders[i];
    if (const auto quoted = QuotedFolder(folder); !quoted.ok()) {
      table.Reject("folders", MessageOf(quoted.status()));
    } else if (std::find(out->folders.begin(), out->folders.begin() + static_cast<long>(i),
                         folder) != out->folders.begin() + static_cast<long>(i)) {
      table.Reject("folders", fmt::format("'{}' is there twice", folder));
    }
  }
}

void ReadAfter(TomlConfig& table, ImapAccount* out) {
  const std::string after = table.String("after", "flag");
  if (after == "flag") {
    out->after = AfterTaken::kFlag;
  } else if (after == "move") {
    out->after = AfterTaken::kMove;
  } else if (after == "none") {
    out->after = AfterTaken::kNothing;
  } else {
    table.Reject("after", fmt::format("'{}', want one of: flag, move, none", after));
  }
  out->flag = table.String("flag", out->flag);
  if (!IsImapFlag(out->flag)) {
    table.Reject("flag", "want \\\\Seen, \\\\Flagged, \\\\Answered or a keyword such as $Dmarcate");
  }
  out->move_to = table.String("move_to", "");
  if (out->after != AfterTaken::kMove) {
    if (!out->move_to.empty()) table.Reject("move_to", "means nothing without after = \"move\"");
  } else if (const auto quoted = QuotedFolder(out->move_to); !quoted.ok()) {
    table.Reject("move_to", MessageOf(quoted.status()));
  } else if (std::ranges::find(out->folders, out->move_to) != out->folders.end()) {
    table.Reject("move_to", "is one of the folders that are read");
  }
}

}  // namespace

std::vector<ImapAccount> ReadImapAccounts(TomlConfig& file) {
  std::vector<ImapAccount> out;
  for (TomlConfig* table : file.Tables("imap")) {
    ImapAccount account;
    ReadServer(*table, &account.server);
    ReadLogin(*table, &account);
    ReadFolders(*table, &account);
    ReadAfter(*table, &account);
    account.interval = table->Duration("interval", account.interval);
    if (account.interval < kShortestInterval) table->Reject("interval", "want at least 1s");
    account.name = fmt::format("{}@{}", account.server.user, account.server.host);
    const auto identity = [](const ImapAccount& a) {
      return std::tie(a.server.host, a.server.port, a.server.user);
    };
    if (std::ranges::any_of(
            out, [&](const ImapAccount& other) { return identity(other) == identity(account); })) {
      table->Reject("user", fmt::format("{} is there twice", account.name));
    }
    out.push_back(std::move(account));
  }
  return out;
}

}  // namespace dmarcate
