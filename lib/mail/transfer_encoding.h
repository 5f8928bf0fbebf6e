// lib/mail/transfer_encoding.h
// Content-Transfer-Encoding (RFC 2045 section 6), undone as far as it goes: gateways break base64
// in every way (report-quirks M14), and what decodes is decided by the bytes that come out.

#ifndef DMARCATE_LIB_MAIL_TRANSFER_ENCODING_H_
#define DMARCATE_LIB_MAIL_TRANSFER_ENCODING_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace dmarcate {

enum class TransferEncoding : uint8_t { kIdentity, kBase64, kQuotedPrintable, kUuencode };

struct DecodedBody {
  std::string data;
  // Something had to be skipped or supplied: octets outside the alphabet (line ends and blanks are
  // none), missing padding, text after the padding.
  bool lenient = false;
};

// By the field's value, without regard to case and blanks; unknown and empty: kIdentity.
TransferEncoding ParseTransferEncoding(std::string_view value);

// Never fails: octets outside the alphabet are skipped, missing padding is supplied. Padding ends
// the data unless nothing but base64 follows (encoders that pad every chunk).
DecodedBody DecodeBase64Lenient(std::string_view text);

DecodedBody DecodeBody(std::string_view body, TransferEncoding encoding);

// True if the head of `text` is nothing but base64 in lines: at least 16 letters of the alphabet
// and no other octet but line ends within the first 256 bytes.
bool LooksLikeBase64(std::string_view text);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAIL_TRANSFER_ENCODING_H_
