#include "policyd/plan/spf_diff.h"

#include <algorithm>
#include <cstddef>
#include <set>

#include "absl/status/statusor.h"

#include "lib/mailauth/spf_record.h"

namespace dmarcate {
namespace {

bool TextsOf(const std::string& text, std::vector<std::string>* terms) {
  if (text.empty()) return true;
  const absl::StatusOr<SpfRecord> record = ParseSpf(text);
  if (!record.ok()) return false;
  for (const SpfTerm& term : record->terms) terms->push_back(term.text);
  return true;
}

const ManagedTerm* Find(const std::vector<ManagedTerm>& managed, const std::string& term,
                        bool flattened) {
  const auto found = std::ranges::find_if(managed, [&](const ManagedTerm& one) {
    return one.term == term && one.flattened == flattened;
  });
  return found == managed.end() ? nullptr : &*found;
}

std::string SourceIn(const std::vector<ManagedTerm>& managed, const std::string& term) {
  const ManagedTerm* found = Find(managed, term, /*flattened=*/false);
  return found == nullptr ? "" : found->source_id;
}

// A record that a plan may leave behind has some hundred terms; one that somebody published may
// have thirty thousand, and their square is more than there is memory.
constexpr size_t kMaxCompared = size_t{1} << 22;

// lengths[i][j]: of the longest common subsequence of the tails from i and j. None beyond
// kMaxCompared.
std::vector<std::vector<size_t>> CommonLengths(const std::vector<std::string>& a,
                                               const std::vector<std::string>& b) {
  if ((a.size() + 1) * (b.size() + 1) > kMaxCompared) return {};
  std::vector<std::vector<size_t>> lengths(a.size() + 1, std::vector<size_t>(b.size() + 1, 0));
  for (size_t i = a.size(); i-- > 0;) {
    for (size_t j = b.size(); j-- > 0;) {
      lengths[i][j] =
          a[i] == b[j] ? lengths[i + 1][j + 1] + 1 : std::max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  return lengths;
}

}  // namespace

std::vector<TermChangeRecord> DiffSpf(const std::string& before, const std::string& after,
                                      const std::vector<ManagedTerm>& managed_before,
                                      const std::vector<ManagedTerm>& managed_after) {
  std::vector<std::string> old_terms;
  std::vector<std::string> new_terms;
  if (!TextsOf(before, &old_terms) || !TextsOf(after, &new_terms)) return {};
  std::string child;  // the first that the new record leads to
  for (const std::string& term : new_terms) {
    if (child.empty() && SourceIn(managed_after, term) == kFlattenedSourceId) {
      child = term.substr(term.find(':') + 1);
    }
  }

  std::vector<TermChangeRecord> changes;
  std::set<std::string> gone;
  std::set<std::string> named;  // a managed term is the first that says so
  const std::vector<std::vector<size_t>> common = CommonLengths(old_terms, new_terms);
  size_t i = 0;
  size_t j = 0;
  while (i < old_terms.size() || j < new_terms.size()) {
    const bool same = i < old_terms.size() && j < new_terms.size() && old_terms[i] == new_terms[j];
    if (!same && i < old_terms.size() &&
        (j == new_terms.size() || common.empty() || common[i + 1][j] >= common[i][j + 1])) {
      const std::string& term = old_terms[i++];
      TermChangeRecord change{TermAction::kRemove, term, "", SourceIn(managed_before, term), 0};
      if (Find(managed_after, term, /*flattened=*/true) != nullptr && gone.insert(term).second) {
        change.flattened_into = child;
      }
      changes.push_back(std::move(change));
      continue;
    }
    const std::string& term = new_terms[j++];
    if (same) ++i;
    changes.push_back({same ? TermAction::kKeep : TermAction::kAdd, term, "",
                       named.insert(term).second ? SourceIn(managed_after, term) : "", 0});
  }
  for (const ManagedTerm& term : managed_after) {
    if (!term.flattened || gone.contains(term.term)) continue;
    const bool was = Find(managed_before, term.term, /*flattened=*/true) != nullptr;
    TermChangeRecord change{was ? TermAction::kKeep : TermAction::kAdd, term.term, "",
                            term.source_id, 0};
    change.flattened_into = child;
    changes.push_back(std::move(change));
  }
  for (const ManagedTerm& term : managed_before) {
    if (!term.flattened || Find(managed_after, term.term, true) != nullptr) continue;
    if (named.contains(term.term)) continue;  // back in the record
    changes.push_back({TermAction::kRemove, term.term, "", term.source_id, 0});
  }
  return changes;
}

}  // namespace dmarcate
