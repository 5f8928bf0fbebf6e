// Newsletters and campaigns. The envelope is nearly always the service's, since it handles bounces.
#include "policyd/analysis/catalogue.h"

namespace dmarcate::catalogue {

std::vector<MailService> MarketingServices() {
  return {
      {
          .id = "mailchimp",
          .name = "Mailchimp",
          .kind = ServiceKind::kMarketing,
          .spf_includes = {"servers.mcsv.net"},
          .dkim_domains = {"mcsv.net", "mcdlv.net", "rsgsv.net", "mailchimpapp.net",
                           "mailchimpapp.com"},
          .envelope_domains = {"mcsv.net", "mcdlv.net", "rsgsv.net", "mailchimpapp.net",
                               "mailchimpapp.com"},
          .selectors = {"k1", "k2", "k3"},
          .ranges = {"148.105.0.0/16", "198.2.128.0/18", "205.201.128.0/20"},
          .spf_alignment = SpfAlignment::kNever,
          .setup = "Publish the two CNAMEs k2 and k3._domainkey that the domain's page shows.",
          .url = "https://mailchimp.com/help/set-up-email-domain-authentication/",
      },
      {
          .id = "hubspot",
          .name = "HubSpot",
          .kind = ServiceKind::kMarketing,  // the include differs by customer:
                                            // ID.spfNN.hubspotemail.net
          .dkim_domains = {"hubspotemail.net", "hubspot.com", "hs-send.com"},
          .envelope_domains = {"hubspotemail.net", "hs-send.com"},
          .selectors = {"hs1-#", "hs2-#", "hs1", "hs2"},
          .ranges = {"143.244.80.0/20", "158.247.16.0/20"},
          .spf_alignment = SpfAlignment::kUnknown,
          .setup = "Connect an email sending domain and publish the two CNAMEs hs1-ID and "
                   "hs2-ID._domainkey.",
          .url = "https://knowledge.hubspot.com/marketing-email/"
                 "manage-email-authentication-in-hubspot",
      },
      {
          .id = "salesforce-marketing-cloud",
          .name = "Salesforce Marketing Cloud",
          .kind = ServiceKind::kMarketing,
          .spf_includes = {"cust-spf.exacttarget.com"},
          .dkim_domains = {"exacttarget.com"},
          .envelope_domains = {"exacttarget.com"},
          .ranges = {"13.111.0.0/16"},
          .spf_alignment = SpfAlignment::kCustomReturnPath,
          .setup = "Set up a Sender Authentication Package: a delegated sub-domain that signs and "
                   "takes the bounces.",
          .url = "https://help.salesforce.com/s/articleView?id=mktg.mc_es_sender_authentication_"
                 "package.htm",
      },
      {
          .id = "pardot",
          .name = "Marketing Cloud Account Engagement (Pardot)",
          .kind = ServiceKind::kMarketing,
          .spf_includes = {"aspmx.pardot.com", "et._spf.pardot.com"},
          .envelope_domains = {"pardot.com"},
          .spf_alignment = SpfAlignment::kNever,
          .setup = "Add the email sending domain and publish the DKIM TXT record it shows.",
          .url = "https://help.salesforce.com/s/"
                 "articleView?id=sf.pardot_email_set_up_spf_and_dkim.htm",
      },
      {
          .id = "klaviyo",
          .name = "Klaviyo",
          .kind = ServiceKind::kMarketing,
          .dkim_domains = {"klaviyomail.com"},
          .envelope_domains = {"klaviyomail.com"},
          .spf_alignment = SpfAlignment::kCustomReturnPath,
          .setup = "Set up a branded sending domain (send.DOMAIN) and publish its records.",
          .url = "https://help.klaviyo.com/hc/en-us/articles/115000357752",
      },
      {
          .id = "activecampaign",
          .name = "ActiveCampaign",
          .kind = ServiceKind::kMarketing,
          .spf_includes = {"emsd1.com"},
          .dkim_domains = {"emsd1.com"},
          .envelope_domains = {"emsd1.com"},
          .selectors = {"acdkim1", "acdkim2"},
          .spf_alignment = SpfAlignment::kCustomReturnPath,
          .setup = "Publish the CNAMEs acdkim1 and acdkim2._domainkey and the mailserver domain.",
          .url = "https://help.activecampaign.com/hc/en-us/articles/206903370",
      },
      {
          .id = "constant-contact",
          .name = "Constant Contact",
          .kind = ServiceKind::kMarketing,
          .spf_includes = {"spf.constantcontact.com"},
          .dkim_domains = {"constantcontact.com", "ccsend.com"},
          .envelope_domains = {"constantcontact.com", "ccsend.com"},
          .selectors = {"ctct1", "ctct2"},
          .spf_alignment = SpfAlignment::kNever,
          .setup = "Publish the two CNAMEs ctct1 and ctct2._domainkey.",
          .url = "https://knowledgebase.constantcontact.com/email-digital-marketing/articles/"
                 "KnowledgeBase/5932-self-authenticating-your-emails",
      },
      {
          .id = "campaign-monitor",
          .name = "Campaign Monitor",
          .kind = ServiceKind::kMarketing,
          .spf_includes = {"_spf.createsend.com"},
          .dkim_domains = {"createsend.com", "cmail19.com", "cmail20.com"},
          .envelope_domains = {"createsend.com", "cmail19.com", "cmail20.com"},
          .spf_alignment = SpfAlignment::kNever,
          .setup = "Publish the DKIM TXT record at cm._domainkey.",
          .url = "https://help.campaignmonitor.com/s/article/authenticate-your-domain",
      },
      {
          .id = "mailerlite",
          .name = "MailerLite",
          .kind = ServiceKind::kMarketing,
          .spf_includes = {"_spf.mlsend.com"},
          .dkim_domains = {"mlsend.com"},
          .envelope_domains = {"mlsend.com"},
          .selectors = {"litesrv"},
          .spf_alignment = SpfAlignment::kNever,
          .setup = "Publish the CNAME litesrv._domainkey.",
          .url = "https://www.mailerlite.com/help/how-to-verify-and-authenticate-your-domain",
      },
      {
          .id = "marketo",
          .name = "Adobe Marketo Engage",
          .kind = ServiceKind::kMarketing,
          .spf_includes = {"mktomail.com"},
          .dkim_domains = {"mktomail.com"},
          .envelope_domains = {"mktomail.com"},
          .spf_alignment = SpfAlignment::kCustomReturnPath,
          .setup = "Add the domain under SPF/DKIM and publish the TXT record at m1._domainkey; a "
                   "branded return path is an option on dedicated addresses.",
          .url = "https://experienceleague.adobe.com/docs/marketo/using/product-docs/"
                 "email-marketing/deliverability/set-up-spf-and-dkim-for-your-email-deliverability",
      },
      {
          .id = "kit",
          .name = "Kit (ConvertKit)",
          .kind = ServiceKind::kMarketing,
          .dkim_domains = {"convertkit-mail.com", "convertkit-mail2.com"},
          .envelope_domains = {"convertkit-mail.com", "convertkit-mail2.com"},
          .selectors = {"cka", "cka2"},
          .spf_alignment = SpfAlignment::kCustomReturnPath,
          .setup = "Verify the sending domain: publish the return-path CNAME and cka._domainkey.",
          .url = "https://help.kit.com/en/articles/2502558-how-to-set-up-a-verified-sending-domain",
      },
      {
          .id = "customer-io",
          .name = "Customer.io",
          .kind = ServiceKind::kMarketing,
          .dkim_domains = {"customeriomail.com"},
          .envelope_domains = {"customeriomail.com"},
          .spf_alignment = SpfAlignment::kCustomReturnPath,
          .setup = "Add the sending domain and publish its MX, SPF and DKIM records.",
          .url = "https://docs.customer.io/journeys/sending-domain/",
      },
  };
}

}  // namespace dmarcate::catalogue
