// lib/inspect/spf_outcome.h
// What an expanded SPF tree means: for every client address there is, the result of check_host().
// Pure, and for proofs: two trees are compared on each interval of both address families in which
// neither can change, so that equal means equal for 2^32 and 2^128 addresses.
//
// What depends on more than the address (macros, ptr, exists) or was not learned stays a question
// in the result: "if exists:%{i}.x.test of a.test then pass else fail". Two such results are equal
// only if they ask the same questions in the same order. The limits of RFC 7208 section 4.6.4 are
// no part of it; they are counted by the tree.
//
// Records of strangers decide how many questions there are, and each include of a record asks its
// questions again. So there is an end to them: beyond it the outcome is "too much", which proves
// nothing (SpfOutcomes::overflowed).

#ifndef DMARCATE_LIB_INSPECT_SPF_OUTCOME_H_
#define DMARCATE_LIB_INSPECT_SPF_OUTCOME_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "lib/base/ip_range_set.h"
#include "lib/inspect/spf_tree.h"
#include "lib/mailauth/spf_evaluate.h"

namespace dmarcate {

// What one SpfOutcomes may spend.
inline constexpr size_t kMaxSpfQuestions = 1 << 16;      // different ones; a vendor has a handful
inline constexpr size_t kMaxSpfQuestionDepth = 1000;     // one after the other, for one address
inline constexpr size_t kMaxSpfOutcomeSteps = 1U << 27;  // terms and networks looked at

// Results, each once: equal results have equal numbers. Not thread-safe.
class SpfOutcomes {
 public:
  using Id = uint32_t;

  Id Leaf(SpfResult result) { return static_cast<Id>(result); }
  // If the answer to `question` is yes then `yes` else `no`.
  Id Ask(const std::string& question, Id yes, Id no);
  bool IsLeaf(Id id) const { return id < kLeaves; }
  SpfResult ResultOf(Id leaf) const { return static_cast<SpfResult>(leaf); }
  // `id` as the answer of an include: pass becomes `match`, what does not match becomes `rest`,
  // errors stay (RFC 7208 section 5.2).
  Id AsInclude(Id id, Id match, Id rest);
  // For people: the first questions of it.
  std::string ToText(Id id) const;
  // A limit was met: what is not a leaf may be "too much", and equal numbers mean nothing any more.
  bool overflowed() const { return overflowed_; }

  // What `record` (the root, an include or a redirect with its record) says of `address`.
  // `domain`: whose record it is.
  Id Evaluate(const SpfNode& record, const std::string& domain, const IpAddress& address);

 private:
  static constexpr Id kLeaves = static_cast<Id>(SpfResult::kPermError) + 1;
  static constexpr Id kTooMuch = kLeaves;
  static constexpr Id kFirstQuestion = kTooMuch + 1;
  struct Question {
    std::string text;
    Id yes, no;
    size_t depth;  // questions on the longest way from here, this one included
  };
  const Question& QuestionOf(Id id) const { return questions_[id - kFirstQuestion]; }
  size_t DepthOf(Id id) const { return id < kFirstQuestion ? 0 : QuestionOf(id).depth; }
  Id TooMuch() {
    overflowed_ = true;
    return kTooMuch;
  }
  // As AsInclude; `done`: the answers of this match and rest so far. A record that is included
  // twice shares its questions, so that ways double where questions do not.
  Id Substitute(Id id, Id match, Id rest, std::unordered_map<Id, Id>& done);
  void Tell(Id id, int& questions_left, std::string& out) const;
  Id From(const SpfNode& record, const std::string& domain, size_t index, const IpAddress& address);
  Id Walk(const SpfNode& record, const std::string& domain, size_t index, const IpAddress& address);
  Id AtEnd(const SpfNode& record, const std::string& domain, const IpAddress& address);

  std::vector<Question> questions_;  // of id - kFirstQuestion
  std::map<std::tuple<std::string, Id, Id>, Id> known_;
  size_t steps_ = 0;
  size_t depth_ = 0;  // of From within From
  bool overflowed_ = false;
};

// A record with its owner name.
struct SpfSubject {
  const SpfNode* record = nullptr;
  std::string domain;
};

// An interval of one family, and what each subject says of every address in it.
struct SpfSpan {
  IpAddress first, last;
  std::vector<SpfOutcomes::Id> outcomes;
};
// Both families whole, in order of address; neighbours may say the same.
std::vector<SpfSpan> CompareSpf(const std::vector<SpfSubject>& subjects, SpfOutcomes& outcomes);

// The addresses that pass for certain, and whether some may pass or not (a question is asked).
struct SpfPassSet {
  IpRangeSet passing;
  bool depends = false;  // on more than the address, or on what was not learned
  bool fails = false;    // some addresses end in permerror or temperror
};
SpfPassSet PassSetOf(const SpfNode& record, const std::string& domain);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_INSPECT_SPF_OUTCOME_H_
