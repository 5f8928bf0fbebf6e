// Services that pass mail on. What they relay was sent by somebody else: never a sender to approve.
#include "policyd/analysis/catalogue.h"

namespace dmarcate::catalogue {

std::vector<MailService> ForwarderServices() {
  return {
      {
          .id = "google-groups",
          .name = "Google Groups",
          .kind = ServiceKind::kForwarder,
          .dkim_domains = {"googlegroups.com"},
          .envelope_domains = {"googlegroups.com"},
          .spf_alignment = SpfAlignment::kNever,
          .url = "https://support.google.com/groups/",
      },
      {
          .id = "forward-email",
          .name = "Forward Email",
          .kind = ServiceKind::kForwarder,
          .dkim_domains = {"forwardemail.net"},
          .envelope_domains = {"forwardemail.net"},
          .spf_alignment = SpfAlignment::kNever,
          .url = "https://forwardemail.net/en/faq",
      },
      {
          .id = "improvmx",
          .name = "ImprovMX",
          .kind = ServiceKind::kForwarder,
          .dkim_domains = {"improvmx.com"},
          .envelope_domains = {"improvmx.com"},
          .spf_alignment = SpfAlignment::kNever,
          .url = "https://improvmx.com/guides/",
      },
      {
          .id = "pobox",
          .name = "Pobox",
          .kind = ServiceKind::kForwarder,
          .dkim_domains = {"pobox.com"},
          .envelope_domains = {"pobox.com"},
          .spf_alignment = SpfAlignment::kNever,
          .url = "https://www.pobox.help/",
      },
      {
          .id = "simplelogin",
          .name = "SimpleLogin",
          .kind = ServiceKind::kForwarder,
          .dkim_domains = {"simplelogin.co"},
          .envelope_domains = {"simplelogin.co"},
          .spf_alignment = SpfAlignment::kNever,
          .url = "https://simplelogin.io/docs/",
      },
  };
}

}  // namespace dmarcate::catalogue
