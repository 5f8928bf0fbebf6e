#include "lib/mail/gmime_value.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <string_view>

#include <gmime/gmime.h>

#include "lib/base/freer.h"
#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxDomainBytes = 255;

template <typename T>
using GObjectPtr = std::unique_ptr<T, Freer<g_object_unref>>;
using GString = std::unique_ptr<char, Freer<g_free>>;
using GDateTimePtr = std::unique_ptr<GDateTime, Freer<g_date_time_unref>>;

// GMime's tables; safe from any thread, done once, never undone.
void InitGmime() {
  static std::once_flag once;
  std::call_once(once, [] { g_mime_init(); });
}

std::string View(const char* text) { return text == nullptr ? "" : ToValidUtf8(text); }

std::string DisplayName(const char* text) {
  if (text == nullptr) return "";
  return ToValidUtf8(std::string_view(text).substr(0, kMaxFileNameBytes));
}

// The first mailbox of the list, groups entered; their nesting is bounded by the length of the
// value.
InternetAddressMailbox* FirstMailbox(InternetAddressList* list) {
  for (int i = 0; i < internet_address_list_length(list); ++i) {
    InternetAddress* address = internet_address_list_get_address(list, i);
    if (INTERNET_ADDRESS_IS_MAILBOX(address)) return INTERNET_ADDRESS_MAILBOX(address);
    if (INTERNET_ADDRESS_IS_GROUP(address)) {
      InternetAddressList* members =
          internet_address_group_get_members(INTERNET_ADDRESS_GROUP(address));
      if (InternetAddressMailbox* found = members == nullptr ? nullptr : FirstMailbox(members)) {
        return found;
      }
    }
  }
  return nullptr;
}

// A view into `mailbox`.
std::string_view AddressOf(InternetAddressMailbox* mailbox) {
  // The other getter turns A-labels into U-labels; domains are A-labels here.
  const char* address = internet_address_mailbox_get_idn_addr(mailbox);
  return address == nullptr ? "" : address;
}

std::string DomainOf(std::string_view address) {
  const size_t at = address.rfind('@');
  if (at == std::string_view::npos) return "";
  std::string_view domain = address.substr(at + 1);
  if (domain.ends_with('.')) domain.remove_suffix(1);
  return AsciiLower(ToValidUtf8(domain.substr(0, kMaxDomainBytes)));
}

}  // namespace

ContentType GmimeParseContentType(const std::string& value) {
  InitGmime();
  ContentType out;
  out.type = "application/octet-stream";
  // GMime reads no parameters behind "application-x-gzip" (M2, Comcast).
  const size_t semicolon = std::min(value.find(';'), value.size());
  const bool readable = std::string_view(value).substr(0, semicolon).find('/') != std::string::npos;
  const std::string text = readable ? value : out.type + value.substr(semicolon);
  const GObjectPtr<GMimeContentType> parsed(g_mime_content_type_parse(nullptr, text.c_str()));
  if (parsed == nullptr) return out;
  const GString type(g_mime_content_type_get_mime_type(parsed.get()));
  out.type = AsciiLower(View(type.get()));
  // The boundary is compared with bytes of the body: as it is, valid UTF-8 or not.
  if (const char* boundary = g_mime_content_type_get_parameter(parsed.get(), "boundary")) {
    out.boundary = boundary;
  }
  out.report_type =
      AsciiLower(View(g_mime_content_type_get_parameter(parsed.get(), "report-type")));
  out.name = DisplayName(g_mime_content_type_get_parameter(parsed.get(), "name"));
  return out;
}

std::string GmimeParseDispositionFileName(const std::string& value) {
  InitGmime();
  const GObjectPtr<GMimeContentDisposition> parsed(
      g_mime_content_disposition_parse(nullptr, value.c_str()));
  if (parsed == nullptr) return "";
  return DisplayName(g_mime_content_disposition_get_parameter(parsed.get(), "filename"));
}

std::string GmimeDecodeHeaderText(const std::string& value) {
  InitGmime();
  const GString text(g_mime_utils_header_decode_text(nullptr, value.c_str()));
  return View(text.get());
}

std::string GmimeFirstAddressDomain(const std::string& value) {
  InitGmime();
  const GObjectPtr<InternetAddressList> list(internet_address_list_parse(nullptr, value.c_str()));
  if (list == nullptr) return "";
  InternetAddressMailbox* mailbox = FirstMailbox(list.get());
  return mailbox == nullptr ? "" : DomainOf(AddressOf(mailbox));
}

std::optional<std::string> GmimeSingleAddress(const std::string& value) {
  InitGmime();
  const GObjectPtr<InternetAddressList> list(internet_address_list_parse(nullptr, value.c_str()));
  if (list == nullptr || internet_address_list_length(list.get()) != 1) return std::nullopt;
  InternetAddress* address = internet_address_list_get_address(list.get(), 0);
  if (!INTERNET_ADDRESS_IS_MAILBOX(address)) return std::nullopt;
  const std::string_view text = AddressOf(INTERNET_ADDRESS_MAILBOX(address));
  const std::string domain = DomainOf(text);
  if (domain.empty()) return std::nullopt;
  return ToValidUtf8(text.substr(0, text.rfind('@') + 1)) + domain;
}

std::optional<absl::Time> GmimeParseMailDate(const std::string& value) {
  InitGmime();
  const GDateTimePtr date(g_mime_utils_header_decode_date(value.c_str()));
  if (date == nullptr) return std::nullopt;
  return absl::FromUnixSeconds(g_date_time_to_unix(date.get()));
}

}  // namespace dmarcate
