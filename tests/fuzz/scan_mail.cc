// Leaves lie within the message, one after the other, no more than allowed; names are valid text;
// what base64 encodes it decodes; a mailbox gives back no more than it holds.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "lib/mail/mail.h"
#include "lib/mail/mbox.h"
#include "lib/mail/mime_scan.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using dmarcate::IsValidUtf8;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const dmarcate::MailLimits limits;
  const dmarcate::Mail mail = dmarcate::ScanMail(text, limits);
  if (mail.messages.empty() || mail.leaves.size() > static_cast<size_t>(limits.parts)) std::abort();
  if (mail.limit.empty() && mail.leaves.empty()) std::abort();
  const char* end = text.data();
  for (const dmarcate::MailLeaf& leaf : mail.leaves) {
    if (leaf.message >= mail.messages.size()) std::abort();
    if (!IsValidUtf8(leaf.content_type) || !IsValidUtf8(leaf.file_name)) std::abort();
    if (leaf.body.empty()) continue;
    if (leaf.body.data() < end || leaf.body.data() + leaf.body.size() > text.data() + size) {
      std::abort();
    }
    end = leaf.body.data() + leaf.body.size();
    dmarcate::DecodeBody(leaf.body, leaf.encoding);
  }
  for (const dmarcate::MailMessage& message : mail.messages) {
    const dmarcate::HeaderFacts facts = dmarcate::ReadHeaderFacts(message.headers);
    if (!IsValidUtf8(facts.subject) || !IsValidUtf8(facts.from_domain) ||
        !IsValidUtf8(facts.message_id)) {
      std::abort();
    }
  }

  const dmarcate::DecodedBody decoded = dmarcate::DecodeBase64Lenient(dmarcate::Base64Encode(text));
  if (decoded.data != text || decoded.lenient) std::abort();

  size_t total = 0;
  dmarcate::MboxReader reader(text);
  while (const auto message = reader.Next()) total += message->size();
  if (total > size) std::abort();
  return 0;
}
