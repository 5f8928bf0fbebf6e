// The findings about an SPF record that need no look-up.

#include <algorithm>
#include <unordered_set>

#include "fmt/format.h"

#include "lib/mailauth/spf_record.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

// Wider than any single sender needs; such ranges are shared with strangers.
constexpr int kWidestIpv4Prefix = 16;
constexpr int kWidestIpv6Prefix = 32;
// A record of 64 KiB can earn thousands; nobody reads more than these.
constexpr size_t kMaxFindings = 100;

class Linter {
 public:
  Linter(const SpfRecord& record, std::string_view path) : record_(record), path_(path) {}

  std::vector<LintFinding> Run() {
    const auto all = record_.IndexOfAll();
    std::unordered_set<std::string> seen;
    position_ = record_.version.size();
    for (size_t i = 0; i < record_.terms.size(); ++i) {
      const SpfTerm& term = record_.terms[i];
      position_ += term.blanks_before.size();
      CheckTerm(term);
      if (all.has_value() && i > *all) CheckAfterAll(term);
      if (all.has_value() && i < *all && term.kind == SpfKind::kRedirect) CheckAfterAll(term);
      if (!seen.insert(term.Canonical()).second) Duplicate(term);
      position_ += term.text.size();
    }
    if (!all.has_value() && record_.redirect() == nullptr) NoAll();
    return std::move(findings_);
  }

 private:
  void Add(std::string_view code, Severity severity, const SpfTerm* term, std::string message,
           std::string fix, std::string section, std::map<std::string, std::string> metadata = {}) {
    if (findings_.size() == kMaxFindings) return;
    LintFinding finding;
    finding.code = std::string(code);
    finding.severity = severity;
    finding.path = term == nullptr ? path_ : fmt::format("{}/{}", path_, term->text);
    finding.position = term == nullptr ? -1 : static_cast<int>(position_);
    finding.message = std::move(message);
    finding.fix_hint = std::move(fix);
    finding.rfc_section = std::move(section);
    finding.metadata = std::move(metadata);
    if (term != nullptr) finding.metadata["term"] = term->text;
    findings_.push_back(std::move(finding));
  }

  void CheckTerm(const SpfTerm& term) {
    const bool passes = !term.is_modifier() && term.qualifier == SpfQualifier::kPass;
    if (term.kind == SpfKind::kAll && passes) {
      Add(lint_code::kSpfPlusAll, Severity::kError, &term,
          "the record lets every address on the internet send as this domain",
          "End the record with ~all or -all.", "RFC 7208 section 5.1");
    }
    if (term.kind == SpfKind::kPtr) {
      Add(lint_code::kSpfPtr, Severity::kWarning, &term,
          "ptr is slow and unreliable, and some receivers ignore it",
          "Name the addresses or the provider's include instead.", "RFC 7208 section 5.5");
    }
    if (passes) CheckWidth(term);
  }

  void CheckWidth(const SpfTerm& term) {
    std::string range;
    if (term.network.has_value()) {
      const int limit = term.kind == SpfKind::kIp4 ? kWidestIpv4Prefix : kWidestIpv6Prefix;
      if (term.network->prefix_length < limit) range = term.network->ToString();
    } else if (term.kind == SpfKind::kA || term.kind == SpfKind::kMx) {
      if (term.ipv4_prefix_length < kWidestIpv4Prefix) {
        range = fmt::format("/{} around an address", term.ipv4_prefix_length);
      } else if (term.ipv6_prefix_length < kWidestIpv6Prefix) {
        range = fmt::format("//{} around an address", term.ipv6_prefix_length);
      }
    }
    if (range.empty()) return;
    Add(lint_code::kSpfTooWide, Severity::kWarning, &term,
        fmt::format("{} is wider than one sender needs", range),
        "Name the networks that really send.", "RFC 7208 section 11.4", {{"range", range}});
  }

  void CheckAfterAll(const SpfTerm& term) {
    if (term.kind == SpfKind::kExp || term.kind == SpfKind::kUnknownModifier) return;
    Add(lint_code::kSpfAfterAll, Severity::kWarning, &term,
        term.kind == SpfKind::kRedirect
            ? "receivers ignore redirect, because the record has an all"
            : fmt::format("receivers never reach {}, because it stands behind all",
                          Quoted(term.text)),
        term.kind == SpfKind::kRedirect ? "Remove redirect, or remove all."
                                        : "Move it before all, or remove it.",
        term.kind == SpfKind::kRedirect ? "RFC 7208 section 6.1" : "RFC 7208 section 5.1");
  }

  void Duplicate(const SpfTerm& term) {
    Add(lint_code::kSpfDuplicateTerm, Severity::kInfo, &term,
        fmt::format("{} is there twice", Quoted(term.text)), "Remove the second one.",
        "RFC 7208 section 4.6.4");
  }

  void NoAll() {
    Add(lint_code::kSpfNoAll, Severity::kWarning, nullptr,
        "the record says nothing about other senders, so they get neutral",
        "End the record with ~all or -all.", "RFC 7208 section 4.7");
  }

  const SpfRecord& record_;
  std::string path_;
  size_t position_ = 0;
  std::vector<LintFinding> findings_;
};

}  // namespace

std::vector<LintFinding> LintSpf(const SpfRecord& record, std::string_view path) {
  return Linter(record, path).Run();
}

}  // namespace dmarcate
