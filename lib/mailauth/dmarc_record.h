// lib/mailauth/dmarc_record.h
// DMARC Policy Records: one text, two readings. Receivers on RFC 9989 and receivers on RFC 7489
// differ in what they accept and in what it then means, so a record has a verdict for each. Tags
// keep their exact bytes, unknown ones included; an edit changes the tag it names and nothing else.
// Pure.

#ifndef DMARCATE_LIB_MAILAUTH_DMARC_RECORD_H_
#define DMARCATE_LIB_MAILAUTH_DMARC_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/mailauth/lint.h"

namespace dmarcate {

enum class DmarcPolicy : uint8_t { kNone, kQuarantine, kReject };    // ordered by strength
std::string_view ToString(DmarcPolicy policy);                       // "quarantine"
std::optional<DmarcPolicy> ParseDmarcPolicy(std::string_view text);  // case-insensitive

enum class DmarcStandard : uint8_t { kRfc9989, kRfc7489 };
enum class DmarcAlignmentMode : uint8_t { kRelaxed, kStrict };

// Whom a policy is asked for (RFC 9989 section 4.10.1).
enum class DmarcSubject : uint8_t {
  kDomain,       // the name that publishes the record
  kSubdomain,    // an existing name below it without a record of its own
  kNonExistent,  // a name below it for which the DNS answers NXDOMAIN
};

enum class DmarcReading : uint8_t {
  kPolicy,          // as it says
  kTreatedAsNone,   // a policy tag is bad, but somebody wants reports: p=none (section 4.10.1)
  kNoProcessing,    // a policy tag is bad or missing and nobody wants reports: as if no record
  kTagListInvalid,  // a tag occurs twice
  kNotDmarc,        // discarded at selection
};
std::string_view ToString(DmarcReading reading);  // "treated-as-p-none"

// One report address.
struct DmarcUri {
  std::string text;    // as written, blanks around it stripped, size suffix included
  std::string uri;     // without the suffix
  std::string scheme;  // lower case: "mailto"
  std::string
      mailbox;       // mailto only: "reports@example.net", percent-decoded: any octets; else empty
  std::string host;  // lower case, of the mailbox or the authority; empty if there is none
  std::optional<std::string> size_suffix;  // "10m"; RFC 7489 only

  friend bool operator==(const DmarcUri&, const DmarcUri&) = default;
};
// A comma-separated list (RFC 9989 section 4.8, obs-dmarc-uri). kInvalidArgument if any item is no
// URI. RFC 7489 refuses a suffix that is not at most 64 bits of octets, RFC 9989 drops it unread.
absl::StatusOr<std::vector<DmarcUri>> ParseDmarcUris(std::string_view value,
                                                     DmarcStandard standard);

struct DmarcTag {
  std::string name;         // lower case
  std::string value;        // without the blanks around it
  std::string text;         // exactly as written between two semicolons, blanks included
  int position = 0;         // of `text` in the record
  bool well_formed = true;  // "name = value" by the grammar; else `value` is empty
};

// How receivers on one standard read the record. Absent tags hold their defaults.
struct DmarcVerdict {
  DmarcReading reading = DmarcReading::kNotDmarc;
  std::string why;  // for every reading but kPolicy
  // kPolicy and kTreatedAsNone only:
  DmarcPolicy p = DmarcPolicy::kNone;
  std::optional<DmarcPolicy> sp;
  std::optional<DmarcPolicy> np;  // RFC 9989
  DmarcAlignmentMode adkim = DmarcAlignmentMode::kRelaxed;
  DmarcAlignmentMode aspf = DmarcAlignmentMode::kRelaxed;
  bool testing = false;  // t=y, RFC 9989
  char psd = 'u';        // y, n or u, RFC 9989
  int pct = 100;         // RFC 7489
  std::string fo = "0";
  std::string rf = "afrf";  // RFC 7489
  uint32_t ri = 86400;      // RFC 7489, seconds
  std::vector<DmarcUri> rua;
  std::vector<DmarcUri> ruf;
  std::vector<std::string> effective;  // names of the tags in force, in order, without v
  std::vector<std::string> dropped;  // known here, value refused, or no tag at all (then its text)
  std::vector<std::string> unknown;  // not of this standard

  // What the record asks for, before t and pct.
  DmarcPolicy Requested(DmarcSubject subject) const;
  // What is done to failing mail: t=y (RFC 9989) and pct=0 (RFC 7489) lower it by one level. Any
  // other pct counts as in full, since some mail is treated so. kNone unless a policy is in force.
  DmarcPolicy Applied(DmarcSubject subject) const;
};

class DmarcRecord {
 public:
  const std::vector<DmarcTag>& tags() const { return tags_; }  // without v
  const DmarcTag* Find(std::string_view name) const;           // the first, or null
  const DmarcVerdict& Verdict(DmarcStandard standard) const {
    return standard == DmarcStandard::kRfc9989 ? rfc9989_ : rfc7489_;
  }
  // The bytes that were parsed.
  const std::string& Render() const { return text_; }

  // Each returns the edited record; every other byte stays. Equal input, equal bytes.
  //   kInvalidArgument     the value is not valid for both standards
  //   kFailedPrecondition  the record is not a valid tag list, so an edit could not be read back

  // Adds the report URIs ("mailto:...") that are not listed yet behind those that are.
  absl::StatusOr<DmarcRecord> WithRua(const std::vector<std::string>& added) const;
  // Takes the URIs away; the tag as well when none is left.
  absl::StatusOr<DmarcRecord> WithoutRua(const std::vector<std::string>& removed) const;
  // Sets one tag: in place if it is there; else `p` right behind the version, `sp` and `np` behind
  // the policy tags, all others at the end.
  absl::StatusOr<DmarcRecord> WithTag(std::string_view name, std::string_view value) const;
  absl::StatusOr<DmarcRecord> WithoutTag(std::string_view name) const;

  // By meaning: the same tags with the same values in any order, in both readings.
  friend bool operator==(const DmarcRecord& a, const DmarcRecord& b);

 private:
  friend absl::StatusOr<DmarcRecord> ParseDmarc(std::string_view text);
  absl::StatusOr<DmarcRecord> Rebuild(const std::vector<std::string>& segments) const;

  std::string text_;
  std::vector<std::string> segments_;  // text between semicolons; the version first
  std::vector<DmarcTag> tags_;
  DmarcVerdict rfc9989_;
  DmarcVerdict rfc7489_;
};

//   kInvalidArgument  the text is no DMARC record in either reading; anything else is a record with
//                     verdicts that say what is wrong with it
absl::StatusOr<DmarcRecord> ParseDmarc(std::string_view text);

// RFC 9989 section 4.10: the TXT records that begin with a valid version tag. Two are as good as
// none.
struct DmarcSelection {
  enum class Outcome : uint8_t { kNone, kOne, kMultiple };
  Outcome outcome = Outcome::kNone;
  std::vector<size_t> indexes;
};
DmarcSelection SelectDmarc(const std::vector<std::string>& records,
                           DmarcStandard standard = DmarcStandard::kRfc9989);

// RFC 9990 section 4 step 5: a TXT record at `<domain>._report._dmarc.<host>` that authorizes.
bool IsReportAuthorization(std::string_view text);

// Findings that need no look-up.
std::vector<LintFinding> LintDmarc(const DmarcRecord& record, std::string_view path = "dmarc");

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_DMARC_RECORD_H_
