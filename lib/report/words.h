// lib/report/words.h
// The enumerated words of aggregate reports, folded as report-quirks sections 8, 9 and 11 say.
// Unknown words are never a pass.

#ifndef DMARCATE_LIB_REPORT_WORDS_H_
#define DMARCATE_LIB_REPORT_WORDS_H_

#include <string_view>

#include "lib/report/model.h"

namespace dmarcate {

enum class WordForm {
  kExact,    // as the RFCs write it, but for case
  kEmpty,    // empty, or a word for nothing: "nil", "-", "n/a"
  kMapped,   // another word of known meaning
  kUnknown,  // kUnspecified
};

template <typename Enum>
struct Word {
  Enum value = Enum::kUnspecified;
  WordForm form = WordForm::kEmpty;
};

Word<Policy> ReadPolicy(std::string_view text);
Word<AlignmentMode> ReadAlignmentMode(std::string_view text);
Word<Disposition> ReadDisposition(std::string_view text);
Word<AlignedResult> ReadAlignedResult(std::string_view text);  // of policy_evaluated
Word<SpfScope> ReadSpfScope(std::string_view text);
Word<DiscoveryMethod> ReadDiscoveryMethod(std::string_view text);
// Blanks and hyphens count as underscores; an unknown type is kOther.
Word<ReasonType> ReadReasonType(std::string_view text);

enum class Mechanism { kSpf, kDkim };
// The table of report-quirks section 11. Empty is kNone.
Word<AuthResult> ReadAuthResult(Mechanism mechanism, std::string_view text);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_WORDS_H_
