#include "lib/snapshot/snapshot.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/domain_name.h"
#include "lib/snapshot/report_address.h"

namespace dmarcate {
namespace {

constexpr std::string_view kTitle = "dmarcate snapshot ";
constexpr std::string_view kFormat = "1";

// As RenderSnapshot() writes it, so that it can be compared octet by octet.
bool IsCanonicalName(std::string_view text) {
  const absl::StatusOr<DomainName> name = DomainName::Parse(text);
  return name.ok() && name->text() == text;
}

bool IsReportAddress(std::string_view text) {
  const size_t at = text.find('@');
  return at != std::string_view::npos && IsReportLocalPart(text.substr(0, at)) &&
         IsCanonicalName(text.substr(at + 1)) && ParseReportHost(text.substr(at + 1)).ok();
}

// Reads the lines between the first and the last.
class Reader {
 public:
  // What is wrong with the line; empty: nothing.
  std::string Read(std::string_view line) {
    const std::vector<std::string_view> words = Split(line, ' ');
    if (words[0] == "domain") return ReadDomain(words);
    if (words[0] == "address") return ReadAddress(words);
    // A later policyd may say more of the same format: it never takes anything back by that.
    return words[0].empty() ? "no word at its beginning" : "";
  }
  // What is wrong with the whole; empty: nothing.
  std::string Finish() const {
    for (const auto& [address, domain] : addresses_) {
      if (!domains_.contains(domain)) {
        return fmt::format("address {} is of {}, which has no line", address,
                           EscapeForTerminal(domain));
      }
    }
    return "";
  }
  Snapshot Take() const {
    Snapshot out;
    out.domains.assign(domains_.begin(), domains_.end());
    for (const auto& [address, domain] : addresses_) {
      out.addresses.push_back({std::string(address), std::string(domain)});
    }
    return out;
  }

 private:
  std::string ReadDomain(const std::vector<std::string_view>& words) {
    if (words.size() != 2 || !IsCanonicalName(words[1])) return "want \"domain NAME\"";
    return domains_.insert(words[1]).second ? "" : "a domain that was there before";
  }
  std::string ReadAddress(const std::vector<std::string_view>& words) {
    if (words.size() != 3 || !IsReportAddress(words[1])) return "want \"address ADDRESS DOMAIN\"";
    return addresses_.emplace(words[1], words[2]).second ? "" : "an address that was there before";
  }

  std::set<std::string_view> domains_;
  std::map<std::string_view, std::string_view> addresses_;
};

}  // namespace

std::string RenderSnapshot(Snapshot snapshot) {
  std::ranges::sort(snapshot.domains);
  std::ranges::sort(snapshot.addresses);
  std::string out = fmt::format("{}{}\n", kTitle, kFormat);
  for (const std::string& domain : snapshot.domains) out += fmt::format("domain {}\n", domain);
  for (const auto& [address, domain] : snapshot.addresses) {
    out += fmt::format("address {} {}\n", address, domain);
  }
  // Whoever reads half of it sees that.
  return out + fmt::format("end {}\n", snapshot.domains.size() + snapshot.addresses.size());
}

absl::StatusOr<Snapshot> ParseSnapshot(std::string_view text) {
  size_t number = 0;
  const auto refuse = [&number](std::string_view why) {
    return MakeError(absl::StatusCode::kDataLoss, fmt::format("line {}: {}", number, why));
  };
  Reader reader;
  while (!text.empty()) {
    ++number;
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return refuse("is cut off");
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (number == 1) {
      if (!line.starts_with(kTitle)) return refuse("no snapshot begins like this");
      const std::string_view format = line.substr(kTitle.size());
      if (format == kFormat) continue;
      return refuse(
          fmt::format("format {} is not known, only {}; is this ingestd older than policyd?",
                      EscapeForTerminal(format.substr(0, 20)), kFormat));
    }
    if (line.starts_with("end ")) {
      if (line.substr(4) != std::to_string(number - 2)) {
        return refuse(fmt::format("{} lines came before it", number - 2));
      }
      if (!text.empty()) return refuse("something follows the end");
      if (const std::string why = reader.Finish(); !why.empty()) return refuse(why);
      return reader.Take();
    }
    if (const std::string why = reader.Read(line); !why.empty()) return refuse(why);
  }
  ++number;
  return refuse("the end is missing");
}

}  // namespace dmarcate
