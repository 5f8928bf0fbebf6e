// A walk finds the same records however its text is cut into pieces, and in a document that is XML
// those that a tree has.

#include "lib/report/record_walk.h"

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "lib/report/root_finder.h"
#include "tests/fuzz/cuts.h"
#include "tests/fuzz/report_tree.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

// What was found in a document, in offsets of that.
struct Found {
  size_t records = 0;
  size_t end = 0;
  bool root_ended = false;
  bool late_frame = false;
  friend bool operator==(const Found&, const Found&) = default;
};

Found Walk(std::string_view document, const dmarcate::Token& root, dmarcate::fuzz::Cuts cuts) {
  dmarcate::RecordWalk walk(root.prefix, root.end);
  Found found;
  std::string text(document.substr(0, root.end));
  document.remove_prefix(root.end);
  size_t erased = 0;
  size_t last_end = 0;
  const auto take = [&] {
    if (walk.end() == 0) return;
    Require(walk.end() <= text.size());
    found.end = erased + walk.end();
    Require(found.end >= last_end);
    last_end = found.end;
    found.records += walk.records();
    const size_t gone = walk.end();
    text.erase(0, gone);
    erased += gone;
    walk.Erase(gone);
    Require(walk.end() == 0 && walk.records() == 0);
  };
  while (!document.empty() && !walk.root_ended()) {
    text += cuts.Next(document);
    walk.Look(text, dmarcate::Looking::kNow);
    take();
  }
  if (!walk.root_ended()) {
    walk.Look(text, dmarcate::Looking::kLast);
    take();
  }
  found.root_ended = walk.root_ended();
  found.late_frame = walk.late_frame();
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view document(reinterpret_cast<const char*>(data), size);
  dmarcate::RepairLog unused(0);
  const dmarcate::RootSearch search = dmarcate::FindRoot(document, unused);
  if (!search.root.has_value() || search.root->kind != dmarcate::TokenKind::kStart) return 0;
  const Found whole = Walk(document, *search.root, dmarcate::fuzz::Cuts::None());
  for (const uint64_t seed : {1, 2, 3}) {
    Require(Walk(document, *search.root, dmarcate::fuzz::Cuts(seed, 40)) == whole);
  }
  Require(Walk(document, *search.root, dmarcate::fuzz::Cuts(1, 1)) == whole);
  const std::optional<dmarcate::fuzz::TreeRecords> tree =
      dmarcate::fuzz::ReadTree(document.substr(search.root->begin));
  if (tree.has_value() && tree->clear) {
    Require(whole.root_ended && whole.records == tree->records);
  }
  return 0;
}
