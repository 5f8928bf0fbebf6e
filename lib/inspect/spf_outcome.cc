#include "lib/inspect/spf_outcome.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "fmt/format.h"

namespace dmarcate {
namespace {

SpfResult ResultOfQualifier(SpfQualifier qualifier) {
  switch (qualifier) {
    case SpfQualifier::kPass:
      return SpfResult::kPass;
    case SpfQualifier::kFail:
      return SpfResult::kFail;
    case SpfQualifier::kSoftFail:
      return SpfResult::kSoftFail;
    case SpfQualifier::kNeutral:
      return SpfResult::kNeutral;
  }
  return SpfResult::kNeutral;
}

constexpr int kQuestionsTold = 8;
constexpr size_t kStepsOfQuestion = 64;  // a text is made and looked up

bool Holds(const SpfNode& node, const IpAddress& address) {
  return std::ranges::any_of(node.networks,
                             [&](const IpNetwork& network) { return network.Contains(address); });
}

// Of the addresses of the same family that follow each other without a hole.
IpAddress LastLike(const IpAddress& address) {
  for (const char* network : {"0.0.0.0/0", "::/0"}) {
    for (const IpRange& range : RangesOf(*IpNetwork::Parse(network))) {
      if (range.first <= address && address <= range.last) return range.last;
    }
  }
  return address;
}

bool HasError(const SpfNode& node) { return !node.error.empty() && node.complete; }

// Where a span begins: at each border of a network.
void AddBorders(const SpfNode& node, std::vector<IpAddress>& borders) {
  for (const IpNetwork& network : node.networks) {
    for (const IpRange& range : RangesOf(network)) {
      borders.push_back(range.first);
      if (const auto next = NextAddress(range.last)) borders.push_back(*next);
    }
  }
  for (const SpfNode& child : node.children) AddBorders(child, borders);
}

}  // namespace

SpfOutcomes::Id SpfOutcomes::Ask(const std::string& question, Id yes, Id no) {
  if (yes == kTooMuch || no == kTooMuch) return kTooMuch;
  if (yes == no) return yes;
  const auto found = known_.find({question, yes, no});
  if (found != known_.end()) return found->second;
  const size_t depth = 1 + std::max(DepthOf(yes), DepthOf(no));
  if (questions_.size() >= kMaxSpfQuestions || depth > kMaxSpfQuestionDepth) return TooMuch();
  const Id id = kFirstQuestion + static_cast<Id>(questions_.size());
  known_.emplace(std::tuple(question, yes, no), id);
  questions_.push_back({question, yes, no, depth});
  return id;
}

SpfOutcomes::Id SpfOutcomes::AsInclude(Id id, Id match, Id rest) {
  std::unordered_map<Id, Id> done;
  return Substitute(id, match, rest, done);
}

SpfOutcomes::Id SpfOutcomes::Substitute(Id id, Id match, Id rest,
                                        std::unordered_map<Id, Id>& done) {
  if (id == kTooMuch || overflowed_) return TooMuch();
  if (IsLeaf(id)) {
    switch (ResultOf(id)) {
      case SpfResult::kPass:
        return match;
      case SpfResult::kPermError:
      case SpfResult::kTempError:
        return id;
      default:
        return rest;
    }
  }
  if (const auto found = done.find(id); found != done.end()) return found->second;
  if ((steps_ += kStepsOfQuestion) > kMaxSpfOutcomeSteps) return TooMuch();
  const Question question = QuestionOf(id);  // a copy: asking adds more
  const Id yes = Substitute(question.yes, match, rest, done);
  const Id no = Substitute(question.no, match, rest, done);
  return done[id] = Ask(question.text, yes, no);
}

std::string SpfOutcomes::ToText(Id id) const {
  std::string out;
  int questions_left = kQuestionsTold;
  Tell(id, questions_left, out);
  return out;
}

void SpfOutcomes::Tell(Id id, int& questions_left, std::string& out) const {
  if (id == kTooMuch) {
    out += "too much to tell";
  } else if (IsLeaf(id)) {
    out += ToString(ResultOf(id));
  } else if (questions_left == 0) {
    out += "...";
  } else {
    --questions_left;
    const Question& question = QuestionOf(id);
    out += fmt::format("if {} then ", question.text);
    Tell(question.yes, questions_left, out);
    out += " else ";
    Tell(question.no, questions_left, out);
  }
}

SpfOutcomes::Id SpfOutcomes::Evaluate(const SpfNode& record, const std::string& domain,
                                      const IpAddress& address) {
  return From(record, domain, 0, address);
}

SpfOutcomes::Id SpfOutcomes::From(const SpfNode& record, const std::string& domain, size_t index,
                                  const IpAddress& address) {
  if (overflowed_ || depth_ >= kMaxSpfQuestionDepth) return TooMuch();
  ++depth_;
  const Id id = Walk(record, domain, index, address);
  --depth_;
  return id;
}

SpfOutcomes::Id SpfOutcomes::Walk(const SpfNode& record, const std::string& domain, size_t index,
                                  const IpAddress& address) {
  for (; index < record.children.size(); ++index) {
    const SpfNode& term = record.children[index];
    steps_ += 1 + term.networks.size();
    if (steps_ > kMaxSpfOutcomeSteps) return TooMuch();
    if (!term.reached || term.kind == SpfKind::kRedirect) continue;
    const Id match = Leaf(ResultOfQualifier(term.qualifier));
    if (Holds(term, address)) return match;
    const bool unread = !term.complete && term.record_text.empty();
    if (term.dynamic || (term.kind == SpfKind::kInclude ? unread : !term.complete)) {
      steps_ += kStepsOfQuestion;
      const std::string question =
          fmt::format("{} of {}{}", term.term, domain, term.dynamic ? "" : " (not learned)");
      return Ask(question, match, From(record, domain, index + 1, address));
    }
    if (HasError(term)) return Leaf(SpfResult::kPermError);
    if (term.kind != SpfKind::kInclude) continue;
    const Id inner = From(term, term.target, 0, address);
    if (IsLeaf(inner)) {
      const SpfResult result = ResultOf(inner);
      if (result == SpfResult::kPass) return match;
      if (result == SpfResult::kPermError || result == SpfResult::kTempError) return inner;
      continue;
    }
    return AsInclude(inner, match, From(record, domain, index + 1, address));
  }
  return AtEnd(record, domain, address);
}

SpfOutcomes::Id SpfOutcomes::AtEnd(const SpfNode& record, const std::string& domain,
                                   const IpAddress& address) {
  const Id pass = Leaf(SpfResult::kPass);
  const Id neutral = Leaf(SpfResult::kNeutral);
  // A record that was cut may have gone on.
  if (!record.complete && !record.error.empty()) {
    return Ask(fmt::format("the rest of {} (not learned)", domain), pass, neutral);
  }
  const auto redirect = std::ranges::find_if(record.children, [](const SpfNode& term) {
    return term.reached && term.kind == SpfKind::kRedirect;
  });
  if (redirect == record.children.end()) return neutral;
  if (redirect->dynamic || (!redirect->complete && redirect->record_text.empty())) {
    return Ask(fmt::format("{} of {}{}", redirect->term, domain,
                           redirect->dynamic ? "" : " (not learned)"),
               pass, neutral);
  }
  if (HasError(*redirect)) return Leaf(SpfResult::kPermError);
  return From(*redirect, redirect->target, 0, address);
}

std::vector<SpfSpan> CompareSpf(const std::vector<SpfSubject>& subjects, SpfOutcomes& outcomes) {
  std::vector<IpAddress> borders;
  for (const char* network : {"0.0.0.0/0", "::/0"}) {  // where the families begin and go on
    for (const IpRange& range : RangesOf(*IpNetwork::Parse(network))) {
      borders.push_back(range.first);
    }
  }
  for (const SpfSubject& subject : subjects) AddBorders(*subject.record, borders);
  std::ranges::sort(borders);
  const auto again = std::ranges::unique(borders);
  borders.erase(again.begin(), again.end());
  std::vector<SpfSpan> spans;
  spans.reserve(borders.size());
  for (size_t i = 0; i < borders.size(); ++i) {
    SpfSpan& span = spans.emplace_back();
    span.first = borders[i];
    span.last = LastLike(span.first);
    if (i + 1 < borders.size() && borders[i + 1] <= span.last) {
      span.last = *PreviousAddress(borders[i + 1]);
    }
    for (const SpfSubject& subject : subjects) {
      span.outcomes.push_back(outcomes.Evaluate(*subject.record, subject.domain, span.first));
    }
  }
  return spans;
}

SpfPassSet PassSetOf(const SpfNode& record, const std::string& domain) {
  SpfOutcomes outcomes;
  SpfPassSet out;
  std::vector<IpRange> passing;
  for (const SpfSpan& span : CompareSpf({{&record, domain}}, outcomes)) {
    const SpfOutcomes::Id id = span.outcomes.front();
    if (!outcomes.IsLeaf(id)) {
      out.depends = true;
    } else if (outcomes.ResultOf(id) == SpfResult::kPass) {
      passing.push_back({span.first, span.last});
    } else if (outcomes.ResultOf(id) == SpfResult::kPermError ||
               outcomes.ResultOf(id) == SpfResult::kTempError) {
      out.fails = true;
    }
  }
  out.passing = IpRangeSet::Of(std::move(passing));
  return out;
}

}  // namespace dmarcate
