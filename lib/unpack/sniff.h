// lib/unpack/sniff.h
// What bytes are, by the bytes alone (report-quirks G10): labels lie in every combination.

#ifndef DMARCATE_LIB_UNPACK_SNIFF_H_
#define DMARCATE_LIB_UNPACK_SNIFF_H_

#include <cstdint>
#include <string_view>

namespace dmarcate {

enum class Content : uint8_t {
  kEmpty,  // nothing but blanks and NULs, or the single word "unused" (Z12)
  kGzip,
  kZip,  // also one without members
  kXml,  // markup that is not HTML, or text with a <feedback> tag near its beginning
  kJson,
  kFeedback,  // the fields of a feedback report, without a mail around them
  kMbox,
  kMail,
  kBase64,  // lines of base64, of what will be seen
  kZlib,    // two octets only: believed where the label agrees (Z15)
  kTar,
  kUnsupportedCompression,  // bzip2, xz, 7z, rar, zstd, compress
  kOle,                     // Outlook's .msg, but also .doc
  kTnef,                    // winmail.dat
  kOther,
};

Content SniffContent(std::string_view bytes);

// True if a start tag with the local name "feedback", in any case, begins within the first 4 KiB;
// in UTF-16 too.
bool HasFeedbackTag(std::string_view bytes);

// All start tags in `text` with the local name "feedback", in any case. Linear.
int CountFeedbackTags(std::string_view text);

// True if an end tag with the local name "feedback" stands in the last 4 KiB.
bool EndsWithFeedbackTag(std::string_view bytes);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_UNPACK_SNIFF_H_
