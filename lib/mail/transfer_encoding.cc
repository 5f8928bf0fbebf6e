#include "lib/mail/transfer_encoding.h"

#include <array>
#include <optional>

#include <gmime/gmime.h>

#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr int8_t kBlank = -1;  // may stand anywhere
constexpr int8_t kPad = -2;
constexpr int8_t kOther = -3;

constexpr std::array<int8_t, 256> MakeTable() {
  std::array<int8_t, 256> table{};
  for (int8_t& entry : table) entry = kOther;
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < kAlphabet.size(); ++i) {
    table[static_cast<unsigned char>(kAlphabet[i])] = static_cast<int8_t>(i);
  }
  for (const char c : {' ', '\t', '\r', '\n'}) table[static_cast<unsigned char>(c)] = kBlank;
  table[static_cast<unsigned char>('=')] = kPad;
  return table;
}
constexpr std::array<int8_t, 256> kTable = MakeTable();

int8_t ValueOf(char c) { return kTable[static_cast<unsigned char>(c)]; }

// Where the octets outside the alphabet end: from there on `text` holds nothing but base64.
size_t EndOfForeign(std::string_view text) {
  size_t end = text.size();
  while (end > 0 && ValueOf(text[end - 1]) != kOther) --end;
  return end;
}

// Quoted-printable and uuencode are GMime's.
std::string DecodeByGmime(std::string_view body, GMimeContentEncoding encoding) {
  GMimeEncoding state;
  g_mime_encoding_init_decode(&state, encoding);
  std::string out(g_mime_encoding_outlen(&state, body.size()) + 1, '\0');
  const size_t written = g_mime_encoding_flush(&state, body.data(), body.size(), out.data());
  out.resize(written);
  return out;
}

}  // namespace

TransferEncoding ParseTransferEncoding(std::string_view value) {
  value = TrimAscii(value);
  value = value.substr(0, value.find_first_of("; \t\r\n("));
  if (EqualsIgnoreCase(value, "base64")) return TransferEncoding::kBase64;
  if (EqualsIgnoreCase(value, "quoted-printable")) return TransferEncoding::kQuotedPrintable;
  if (EqualsIgnoreCase(value, "x-uuencode") || EqualsIgnoreCase(value, "uuencode") ||
      EqualsIgnoreCase(value, "x-uue")) {
    return TransferEncoding::kUuencode;
  }
  return TransferEncoding::kIdentity;
}

DecodedBody DecodeBase64Lenient(std::string_view text) {
  DecodedBody out;
  out.data.reserve(text.size() / 4 * 3 + 3);
  uint32_t bits = 0;
  int letters = 0;
  int pads = 0;
  std::optional<size_t> foreign_end;  // found once: each chunk may end in padding
  for (size_t i = 0; i < text.size(); ++i) {
    // Four letters at a quantum's beginning are nearly all there is.
    while (letters == 0 && pads == 0 && i + 4 <= text.size()) {
      const int quantum =
          (ValueOf(text[i]) | ValueOf(text[i + 1]) | ValueOf(text[i + 2]) | ValueOf(text[i + 3]));
      if (quantum < 0) break;
      const uint32_t word = static_cast<uint32_t>(ValueOf(text[i])) << 18 |
                            static_cast<uint32_t>(ValueOf(text[i + 1])) << 12 |
                            static_cast<uint32_t>(ValueOf(text[i + 2])) << 6 |
                            static_cast<uint32_t>(ValueOf(text[i + 3]));
      const std::array<char, 3> octets = {static_cast<char>(word >> 16),
                                          static_cast<char>(word >> 8), static_cast<char>(word)};
      out.data.append(octets.data(), octets.size());
      i += 4;
    }
    if (i >= text.size()) break;
    const int8_t value = ValueOf(text[i]);
    if (value == kBlank) continue;
    if (value == kOther) {
      out.lenient = true;
      if (pads > 0) return out;  // a footer
      continue;
    }
    if (value == kPad) {
      ++pads;
      // The letters of an open quantum give what whole octets they hold.
      if (letters == 2) out.data.push_back(static_cast<char>(bits >> 4));
      if (letters == 3) {
        out.data.push_back(static_cast<char>(bits >> 10));
        out.data.push_back(static_cast<char>(bits >> 2));
      }
      if (letters == 1) out.lenient = true;
      if (letters != 0) pads = letters == 2 ? 1 : 2;
      letters = 0;
      bits = 0;
      if (pads > 2) out.lenient = true;
      continue;
    }
    if (pads > 0) {  // data after padding
      out.lenient = true;
      if (!foreign_end.has_value()) foreign_end = EndOfForeign(text);
      if (i < *foreign_end) return out;
      pads = 0;
    }
    bits = bits << 6 | static_cast<uint32_t>(value);
    if (++letters == 4) {
      out.data.push_back(static_cast<char>(bits >> 16));
      out.data.push_back(static_cast<char>(bits >> 8));
      out.data.push_back(static_cast<char>(bits));
      letters = 0;
      bits = 0;
    }
  }
  if (letters != 0) {
    out.lenient = true;
    if (letters == 2) out.data.push_back(static_cast<char>(bits >> 4));
    if (letters == 3) {
      out.data.push_back(static_cast<char>(bits >> 10));
      out.data.push_back(static_cast<char>(bits >> 2));
    }
  } else if (pads == 1) {
    out.lenient = true;  // "xx=" without its second "="
  }
  return out;
}

DecodedBody DecodeBody(std::string_view body, TransferEncoding encoding) {
  switch (encoding) {
    case TransferEncoding::kBase64:
      return DecodeBase64Lenient(body);
    case TransferEncoding::kQuotedPrintable:
      return {DecodeByGmime(body, GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE)};
    case TransferEncoding::kUuencode:
      return {DecodeByGmime(body, GMIME_CONTENT_ENCODING_UUENCODE)};
    case TransferEncoding::kIdentity:
      break;
  }
  return {std::string(body)};
}

bool LooksLikeBase64(std::string_view text) {
  int letters = 0;
  for (const char c : text.substr(0, 256)) {
    const int8_t value = ValueOf(c);
    if (value >= 0) ++letters;
    if (value == kOther || c == ' ') return false;
  }
  return letters >= 16;
}

}  // namespace dmarcate
