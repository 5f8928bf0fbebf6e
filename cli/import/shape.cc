#include "cli/import/shape.h"

#include <string>

#include "lib/archive/gunzip.h"
#include "lib/archive/tar.h"
#include "lib/archive/unzip.h"
#include "lib/mail/mbox.h"
#include "lib/unpack/sniff.h"
#include "lib/unpack/unpack.h"

namespace dmarcate::cli {
namespace {

// Up to kHeadBytes of the member that `archive` is at.
std::string BeginningOf(ArchiveReader& archive) {
  std::string head;
  while (head.size() < kHeadBytes) {
    const auto piece = archive.Read();  // an error ends what can be seen
    if (!piece.ok() || piece->empty()) break;
    head += *piece;
  }
  return head;
}

// Empty if nothing comes out of it. libarchive gives nothing of a gzip stream that breaks off
// within its first block, and a small archive is no longer: what it is shows all the same.
std::string BeginningOfCompressed(std::string_view head) {
  ArchiveReader compressed(head, ArchiveForm::kSingle, {});
  if (const auto member = compressed.Next(); member.ok() && member->has_value()) {
    std::string beginning = BeginningOf(compressed);
    if (!beginning.empty()) return beginning;
  }
  ArchiveBudget budget({.inflated_bytes = kCompressedHeadBytes});
  const auto inflated = Gunzip(head, budget);
  return inflated.ok() ? inflated->data : "";
}

// bzip2, xz and Zstandard.
bool IsReadHereOnly(std::string_view head) {
  using namespace std::string_view_literals;
  return head.starts_with("BZh") ||
         head.starts_with(
             "\xFD"
             "7zXZ\0"sv) ||
         head.starts_with("\x28\xB5\x2F\xFD");
}

}  // namespace

bool IsCompressed(std::string_view head) {
  return LooksLikeGzip(head) || SniffContent(head) == Content::kUnsupportedCompression;
}

Shape ShapeOf(std::string_view head) {
  if (LooksLikeZip(head)) return Shape::kZip;
  if (IsCompressed(head)) {
    const std::string inner = BeginningOfCompressed(head);
    if (LooksLikeTar(inner)) return Shape::kTar;
    if (LooksLikeMbox(inner)) return Shape::kSingle;
    // What is damaged at once ingestd says of gzip, and keeps; of other methods it is said here.
    const bool here = inner.empty() ? IsReadHereOnly(head) : !LooksLikeGzip(head);
    return here ? Shape::kSingle : Shape::kItem;
  }
  if (LooksLikeTar(head)) return Shape::kTar;
  return LooksLikeMbox(head) ? Shape::kMbox : Shape::kItem;
}

bool IsBulkZip(ArchiveReader& zip) {
  int members = 0;
  while (true) {
    const auto member = zip.Next();
    if (!member.ok()) return absl::IsResourceExhausted(member.status());
    if (!member->has_value()) return false;
    if ((*member)->kind != ArchiveMember::Kind::kFile || IsDesktopJunk((*member)->name)) continue;
    if ((*member)->encrypted || ++members > UnpackLimits().archive_members) return true;
    switch (SniffContent(BeginningOf(zip))) {
      case Content::kMail:
      case Content::kMbox:
      case Content::kGzip:
      case Content::kZip:
      case Content::kTar:
      case Content::kUnsupportedCompression:
        return true;
      default:
        break;
    }
  }
}

}  // namespace dmarcate::cli
