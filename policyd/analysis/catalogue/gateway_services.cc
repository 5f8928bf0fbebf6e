// Gateways that filter and relay what others wrote. The envelope stays the customer's.
#include "policyd/analysis/catalogue.h"

namespace dmarcate::catalogue {

std::vector<MailService> GatewayServices() {
  return {
      {
          .id = "mimecast",
          .name = "Mimecast",
          .kind = ServiceKind::kGateway,
          .spf_includes = {"_netblocks.mimecast.com", "eu._netblocks.mimecast.com",
                           "us._netblocks.mimecast.com", "au._netblocks.mimecast.com",
                           "de._netblocks.mimecast.com", "za._netblocks.mimecast.com"},
          .selectors = {"mimecast#"},
          .spf_alignment = SpfAlignment::kByInclude,
          .setup = "Create an outbound DKIM signing definition and publish its TXT record.",
          .url = "https://mimecastsupport.zendesk.com/hc/en-us/articles/34000709564051",
      },
      {
          .id = "proofpoint-essentials",
          .name = "Proofpoint Essentials",
          .kind = ServiceKind::kGateway,
          .spf_includes = {"spf-us.ppe-hosted.com", "spf-eu.ppe-hosted.com"},
          .envelope_domains = {"ppe-hosted.com"},
          .spf_alignment = SpfAlignment::kByInclude,
          .url = "https://help.proofpoint.com/Proofpoint_Essentials",
      },
      {
          .id = "barracuda",
          .name = "Barracuda Email Gateway Defense",
          .kind = ServiceKind::kGateway,
          .spf_includes = {"spf.ess.barracudanetworks.com", "spf.ess.uk.barracudanetworks.com",
                           "spf.ess.de.barracudanetworks.com"},
          .spf_alignment = SpfAlignment::kByInclude,
          .url = "https://campus.barracuda.com/product/emailgatewaydefense/",
      },
      {
          .id = "mailchannels",
          .name = "MailChannels",
          .kind = ServiceKind::kGateway,
          .spf_includes = {"relay.mailchannels.net"},
          .envelope_domains = {"mailchannels.net"},
          .spf_alignment = SpfAlignment::kByInclude,
          .url = "https://support.mailchannels.com/hc/en-us/articles/200262610",
      },
      {
          .id = "spamexperts",
          .name = "N-able Mail Assure (SpamExperts)",
          .kind = ServiceKind::kGateway,
          .spf_includes = {"spf.antispamcloud.com"},
          .envelope_domains = {"antispamcloud.com"},
          .spf_alignment = SpfAlignment::kByInclude,
          .url = "https://documentation.n-able.com/mail-assure/userguide/",
      },
      {
          .id = "messagelabs",
          .name = "Symantec Email Security.cloud",
          .kind = ServiceKind::kGateway,
          .spf_includes = {"spf.messagelabs.com"},
          .spf_alignment = SpfAlignment::kByInclude,
          .url = "https://knowledge.broadcom.com/external/article/165170",
      },
      {
          .id = "hornetsecurity",
          .name = "Hornetsecurity",
          .kind = ServiceKind::kGateway,
          .spf_includes = {"spf.hornetsecurity.com", "spf.antispameurope.com"},
          .envelope_domains = {"antispameurope.com"},
          .spf_alignment = SpfAlignment::kByInclude,
          .url = "https://support.hornetsecurity.com/",
      },
      {
          .id = "trend-micro",
          .name = "Trend Micro Email Security",
          .kind = ServiceKind::kGateway,
          .spf_includes = {"spf.tmes.trendmicro.com", "spf.tmes.trendmicro.eu"},
          .selectors = {"TM-DKIM-#"},
          .spf_alignment = SpfAlignment::kByInclude,
          .setup = "Enable DKIM signing for the domain and publish the TXT record it shows.",
          .url = "https://docs.trendmicro.com/en-us/documentation/email-security/",
      },
      {
          .id = "sophos",
          .name = "Sophos Email",
          .kind = ServiceKind::kGateway,
          .spf_includes = {"_spf.prod.hydra.sophos.com"},
          .spf_alignment = SpfAlignment::kByInclude,
          .url = "https://docs.sophos.com/central/customer/help/en-us/ManageYourProducts/"
                 "EmailSecurity/",
      },
  };
}

}  // namespace dmarcate::catalogue
