// lib/unpack/unpacker.h
// The walk through the layers of one input. Internal to lib/unpack; use unpack.h.

#ifndef DMARCATE_LIB_UNPACK_UNPACKER_H_
#define DMARCATE_LIB_UNPACK_UNPACKER_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "lib/archive/budget.h"
#include "lib/archive/gunzip.h"
#include "lib/mail/mail.h"
#include "lib/mail/mime_scan.h"
#include "lib/unpack/large_report.h"
#include "lib/unpack/sniff.h"
#include "lib/unpack/unpack.h"

namespace dmarcate {

// How some bytes were come by.
enum class Origin : uint8_t {
  kInput,       // they are the input
  kBody,        // a text of a mail that nobody called an attachment
  kAttachment,  // any other leaf of a mail
  kMember,      // out of gzip or zip
};

struct Layer {
  Origin origin = Origin::kInput;
  std::vector<std::string> container;  // outermost first, without the bytes themselves
  std::string file_name;
  std::string content_type;     // as labelled, lower case, or empty
  std::vector<Repair> repairs;  // of the layers so far
  HeaderFacts mail;             // of the innermost mail around
  int archives = 0;             // gzip and zip layers around
  int enclosed = 0;             // mails around, minus the outermost
  bool base64_removed = false;  // one more decode is tried once (M15)
  bool truncated = false;       // an archive layer ended early (Z6)
  std::string damage;           // of the archive layers: the last repair code, or empty

  void AddRepair(std::string code, std::string raw, std::string chosen, bool material);
};

// A document in an archive that is not held.
struct LargeDocument {
  std::string head;                     // of one that no reader wants
  std::unique_ptr<LargeReport> report;  // of one that is read while it comes
};

// Walks one input; not thread-safe, used once.
class Unpacker {
 public:
  Unpacker(const UnpackHints& hints, const UnpackLimits& limits);
  Unpacked Run(std::string input);

 private:
  // Each consumes bytes of one kind and adds to out_.reports what it finds. They call each other no
  // deeper than the limits on archives and enclosed messages allow.
  void Visit(std::string bytes, Layer layer);
  void VisitGzip(std::string bytes, Layer layer);
  void VisitZip(const std::string& bytes, Layer layer);
  void VisitBase64(const std::string& bytes, Layer layer);
  void VisitXml(std::string document, Layer layer);
  void VisitJson(const std::string& document, Layer layer);
  void VisitEmpty(Layer layer);
  ReportHints HintsFor(const Layer& layer) const;
  void VisitOther(Layer layer);

  void VisitMbox(const std::string& bytes, Layer layer);
  void VisitMail(const std::string& bytes, Layer layer);
  void VisitLeaf(const MailLeaf& leaf, DecodedBody decoded, Layer layer);
  void VisitFeedback(std::string_view fields, std::string_view original_headers, Layer layer);

  // An entry without a report.
  void Refuse(Outcome outcome, std::string_view reason, std::string_view detail, Layer layer);
  void RefuseOverBudget(const absl::Status& status, Layer layer);
  // A document in an archive that is larger than PlanFor() its beginning allows.
  void RefuseTooLarge(const absl::Status& status, Layer layer);
  // What the readers of its kind would refuse need not be inflated, and what is large need not be
  // held. `layer` is the document's own.
  DocumentPlan PlanFor(std::string_view head, const Layer& layer, LargeDocument* large);
  // What was handed over by that plan.
  void VisitLarge(LargeDocument large, Layer layer);
  // A report with what its containers add to it. `repairs` are the document's own.
  void Add(UnpackedReport report, std::vector<Repair> repairs, Layer layer);
  // True if the same document was found before; adds its entry then: kDuplicate, or what the first
  // came to unless that was accepted.
  bool IsRepeated(const std::string& digest, int64_t size, ReportKind kind, const Layer& layer);

  const UnpackHints& hints_;
  const UnpackLimits& limits_;
  ArchiveBudget budget_;
  ModelBudget models_;  // of all reports found
  int mime_parts_ = 0;
  int mailbox_messages_ = 0;
  bool saw_bounce_ = false;
  bool in_mbox_ = false;
  // What became of a document, until Add() says so a duplicate.
  struct FirstSeen {
    Outcome outcome = Outcome::kDuplicate;
    std::string reason = "duplicate_in_input";
  };
  absl::flat_hash_map<std::string, FirstSeen> documents_;  // by SHA-256
  bool full_ = false;  // limits_.items was passed: nothing more is looked at
  Unpacked out_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_UNPACK_UNPACKER_H_
