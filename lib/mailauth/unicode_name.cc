#include "lib/mailauth/unicode_name.h"

#include <idn2.h>

namespace dmarcate {

std::string ToUnicode(const DomainName& name) {
  char* text = nullptr;
  if (idn2_to_unicode_8z8z(name.text().c_str(), &text, 0) != IDN2_OK) return name.text();
  std::string out = text;
  idn2_free(text);
  return out;
}

}  // namespace dmarcate
