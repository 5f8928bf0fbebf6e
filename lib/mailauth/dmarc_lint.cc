// The findings about a DMARC Policy Record that need no look-up.

#include <algorithm>
#include <array>

#include "fmt/format.h"

#include "lib/base/text.h"
#include "lib/mailauth/dmarc_record.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

constexpr std::array<std::string_view, 3> kObsolete = {"pct", "rf", "ri"};
constexpr size_t kManyAddresses = 2;  // RFC 7489 section 6.2: a receiver may stop after two

bool Contains(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

class Linter {
 public:
  Linter(const DmarcRecord& record, std::string_view path)
      : record_(record),
        path_(path),
        new_(record.Verdict(DmarcStandard::kRfc9989)),
        old_(record.Verdict(DmarcStandard::kRfc7489)) {}

  std::vector<LintFinding> Run() {
    if (new_.reading == DmarcReading::kTagListInvalid) {
      Add(lint_code::kDmarcSyntax, Severity::kError, nullptr,
          fmt::format("{}, so receivers discard the record", new_.why),
          "Keep one tag of each name.", "RFC 6376 section 3.2");
      return std::move(findings_);
    }
    for (const DmarcTag& tag : record_.tags()) CheckTag(tag);
    CheckPolicy();
    CheckReporting();
    CheckReadings();
    return std::move(findings_);
  }

 private:
  LintFinding& Add(std::string_view code, Severity severity, const DmarcTag* tag,
                   std::string message, std::string fix, std::string section) {
    LintFinding finding;
    finding.code = std::string(code);
    finding.severity = severity;
    finding.path =
        tag == nullptr || tag->name.empty() ? path_ : fmt::format("{}/{}", path_, tag->name);
    finding.position = tag == nullptr ? -1 : tag->position;
    finding.message = std::move(message);
    finding.fix_hint = std::move(fix);
    finding.rfc_section = std::move(section);
    if (tag != nullptr) finding.metadata["tag"] = tag->name;
    return findings_.emplace_back(std::move(finding));
  }

  void CheckTag(const DmarcTag& tag) {
    if (!tag.well_formed) {
      Add(lint_code::kDmarcSyntax, Severity::kError, &tag,
          fmt::format("{} is no tag, so receivers drop it", Quoted(TrimAscii(tag.text))),
          "Write name=value, with one semicolon between tags.", "RFC 9989 section 4.8");
      return;
    }
    const bool obsolete = std::ranges::find(kObsolete, tag.name) != kObsolete.end();
    if (obsolete) {
      CheckObsolete(tag);
    } else if (Contains(new_.dropped, tag.name) || Contains(old_.dropped, tag.name)) {
      BadValue(tag);
    } else if (Contains(new_.unknown, tag.name)) {
      const std::string near =
          Nearest(tag.name, {"p", "sp", "np", "adkim", "aspf", "psd", "fo", "rua", "ruf"});
      Add(lint_code::kDmarcUnknownTag, Severity::kInfo, &tag,
          fmt::format("receivers ignore tag {}", Quoted(tag.name)),
          near.empty() ? "Remove it." : fmt::format("Did you mean {}? Otherwise remove it.", near),
          "RFC 9989 section 4.7");
    }
  }

  // pct=0 beside t=y is how a test stage is written for receivers on either standard.
  void CheckObsolete(const DmarcTag& tag) {
    if (tag.name == "pct" && old_.pct == 0 && new_.testing) return;
    const bool harmful = tag.name == "pct" && old_.pct != 100;
    Add(lint_code::kDmarcObsoleteTag, harmful ? Severity::kWarning : Severity::kInfo, &tag,
        harmful ? fmt::format("receivers on RFC 9989 ignore {}: they apply the policy in full",
                              Quoted(TrimAscii(tag.text)))
                : fmt::format("tag {} is historic", tag.name),
        tag.name == "pct" && old_.pct == 0 ? "Add t=y, or remove pct." : "Remove it.",
        "RFC 9989 appendix A.6");
  }

  void BadValue(const DmarcTag& tag) {
    const bool drops_policy = tag.name == "p" || tag.name == "sp" || tag.name == "np";
    const bool both = Contains(new_.dropped, tag.name) && Contains(old_.dropped, tag.name);
    std::string_view who = "receivers";
    if (!both)
      who = Contains(new_.dropped, tag.name) ? "receivers on RFC 9989" : "receivers on RFC 7489";
    Add(lint_code::kDmarcBadValue, drops_policy ? Severity::kError : Severity::kWarning, &tag,
        drops_policy
            ? fmt::format("{} is no policy, so {} {}", Quoted(tag.value), who,
                          new_.reading == DmarcReading::kTreatedAsNone ? "act as if p=none"
                                                                       : "do no DMARC at all")
            : fmt::format("{} is no value of {}, so {} drop the tag", Quoted(tag.value), tag.name,
                          who),
        FixOf(tag), drops_policy ? "RFC 9989 section 4.10.1" : "RFC 9989 section 4.7");
  }

  static std::string FixOf(const DmarcTag& tag) {
    if (tag.name == "p" || tag.name == "sp" || tag.name == "np") {
      return "Write none, quarantine or reject.";
    }
    if (tag.name == "adkim" || tag.name == "aspf") return "Write r or s.";
    if (tag.name == "rua" || tag.name == "ruf")
      return "Write mailto: addresses with commas between.";
    if (tag.name == "fo")
      return "Write one of 0 and 1, and d and s as wanted, with colons between.";
    if (tag.name == "psd") return "Write y, n or u.";
    return "Write y or n.";
  }

  void CheckPolicy() {
    const DmarcTag* p = record_.Find("p");
    if (p == nullptr) {
      Add(lint_code::kDmarcPMissing, Severity::kError, nullptr,
          new_.reading == DmarcReading::kTreatedAsNone
              ? "there is no p, so receivers act as if p=none"
              : "there is no p, so receivers do no DMARC at all",
          "Write the policy behind the version: v=DMARC1; p=none.", "RFC 9989 section 4.10.1");
    } else if (p != record_.tags().data()) {
      Add(lint_code::kDmarcPNotFirst, Severity::kWarning, p,
          "p does not follow the version directly, which RFC 7489 asks for",
          "Move p behind v=DMARC1.", "RFC 7489 section 6.3");
    }
  }

  void CheckReporting() {
    if (new_.rua.empty() && old_.rua.empty()) {
      Add(lint_code::kDmarcNoRua, Severity::kWarning, record_.Find("rua"),
          "nobody receives aggregate reports, so nobody sees who sends as this domain",
          "Add rua=mailto: and your report address.", "RFC 9989 section 5.1.4");
      return;
    }
    for (const DmarcUri& uri : new_.rua) {
      if (!uri.size_suffix.has_value()) continue;
      Add(lint_code::kDmarcObsoleteTag, Severity::kInfo, record_.Find("rua"),
          fmt::format("the size limit of {} is historic", Quoted(uri.text)),
          fmt::format("Remove !{}.", *uri.size_suffix), "RFC 9989 section 4.8");
    }
    if (new_.rua.size() > kManyAddresses) {
      Add(lint_code::kDmarcObsoleteTag, Severity::kInfo, record_.Find("rua"),
          fmt::format("of {} report addresses, receivers on RFC 7489 may use only the first two",
                      new_.rua.size()),
          "Keep the two that matter in front.", "RFC 7489 section 6.2");
      findings_.back().metadata["count"] = std::to_string(new_.rua.size());
    }
  }

  void CheckReadings() {
    struct Named {
      DmarcSubject subject;
      std::string_view name;
    };
    constexpr std::array<Named, 3> kSubjects = {
        {{DmarcSubject::kDomain, "the domain itself"},
         {DmarcSubject::kSubdomain, "its subdomains"},
         {DmarcSubject::kNonExistent, "names that do not exist"}}};
    for (const Named& named : kSubjects) {
      const DmarcPolicy by_new = new_.Applied(named.subject);
      const DmarcPolicy by_old = old_.Applied(named.subject);
      // np is new; that old receivers fall back to sp or p is its purpose.
      if (by_new == by_old || (named.subject == DmarcSubject::kNonExistent && new_.np)) continue;
      LintFinding& finding =
          Add(lint_code::kDmarcReadingsDiffer, Severity::kWarning, nullptr,
              fmt::format("for {}, receivers on RFC 9989 apply {} and receivers on RFC 7489 {}",
                          named.name, ToString(by_new), ToString(by_old)),
              "Write the record so that both read the same: t=y together with pct=0, or neither.",
              "RFC 9989 appendix A.6");
      finding.metadata["rfc9989"] = std::string(ToString(by_new));
      finding.metadata["rfc7489"] = std::string(ToString(by_old));
      return;
    }
  }

  const DmarcRecord& record_;
  std::string path_;
  const DmarcVerdict& new_;
  const DmarcVerdict& old_;
  std::vector<LintFinding> findings_;
};

}  // namespace

std::vector<LintFinding> LintDmarc(const DmarcRecord& record, std::string_view path) {
  return Linter(record, path).Run();
}

}  // namespace dmarcate
