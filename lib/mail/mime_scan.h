// lib/mail/mime_scan.h
// The MIME structure of a message (RFC 2046) as spans, in one linear pass without recursion.
//
// GMime would build an object for every part and header before anyone could count them: 25 MiB of
// five-byte parts is gigabytes of objects. So the structure is found here, where each limit is
// checked before anything is allocated for what exceeds it; GMime reads the values
// (header_value.h). A test holds both to the same leaves over every mail of the corpora.

#ifndef DMARCATE_LIB_MAIL_MIME_SCAN_H_
#define DMARCATE_LIB_MAIL_MIME_SCAN_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/mail/transfer_encoding.h"

namespace dmarcate {

struct MailLimits {
  int depth = 8;                     // of multiparts
  int parts = 64;                    // multiparts, messages and leaves together
  int enclosed_messages = 3;         // depth of message/rfc822
  int64_t header_bytes = 256 << 10;  // of one header section
  int header_lines = 1000;           // fields of one header section
};

// What the parts around a leaf say it is.
enum class LeafContext : uint8_t {
  kOrdinary,
  kDeliveryStatus,  // part of a bounce or a read receipt: whatever is in it came from us (M18)
};

struct MailLeaf {
  std::string content_type;  // lower case; "application/octet-stream" where unreadable
  std::string file_name;     // from the disposition, else the type; valid UTF-8, for display only
  TransferEncoding encoding = TransferEncoding::kIdentity;
  LeafContext context = LeafContext::kOrdinary;
  size_t message = 0;     // whose: index into Mail::messages
  std::string_view body;  // as sent, still encoded
};

struct MailMessage {
  std::string_view headers;  // the header section
  int depth = 0;             // 0: the carrier itself, 1: enclosed in it, ...
};

// Views into the scanned text.
struct Mail {
  std::vector<MailMessage> messages;  // the carrier first; at least one
  std::vector<MailLeaf> leaves;
  int parts = 0;  // counted against MailLimits::parts
  // Where a limit ended the scan: "mime_too_deep", "too_many_parts", "too_many_enclosed_messages",
  // "header_too_large". The leaves before it are there.
  std::string limit;
  std::string limit_detail;
};

// `text` is one message. Never fails: what has no structure is one leaf.
Mail ScanMail(std::string_view text, const MailLimits& limits);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAIL_MIME_SCAN_H_
