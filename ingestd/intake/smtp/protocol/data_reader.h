// ingestd/intake/smtp/protocol/data_reader.h
// The octets after DATA up to CR LF . CR LF, and nothing else ends them (RFC 5321 section 4.1.1.4).
//
// A CR or LF that stands alone is never a line end, neither before nor after a dot; a message that
// has one is refused whole. So whatever relayed it, what it meant as one message is one message
// here (CVE-2023-51764 and its kin).

#ifndef DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_DATA_READER_H_
#define DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_DATA_READER_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace dmarcate {

class DataReader {
 public:
  // More than the octets read so far may be appended by: a CR that may still be part of a line end.
  static constexpr int64_t kPendingBytes = 1;

  // Reads up to the end or the end of `input`; appends to `message` what belongs to it, without the
  // dots that the sender added (section 4.5.2), at most as many octets as it read and
  // kPendingBytes. nullptr: only looks for the end. Returns how many octets it read.
  size_t Read(std::string_view input, std::string* message);
  bool ended() const { return state_ == State::kEnded; }
  bool has_bare_line_end() const { return bare_; }

 private:
  enum class State { kLineStart, kText, kCr, kDot, kDotCr, kEnded };
  State state_ = State::kLineStart;  // DATA's own line end stands before the first line
  bool bare_ = false;                // a CR or LF stood alone
};

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_INTAKE_SMTP_PROTOCOL_DATA_READER_H_
