// Applications that send as part of what they do: help desks, shops, ticket systems, signatures.
#include "policyd/analysis/catalogue.h"

namespace dmarcate::catalogue {

std::vector<MailService> ApplicationServices() {
  return {
      {
          .id = "zendesk",
          .name = "Zendesk",
          .kind = ServiceKind::kApplication,
          .spf_includes = {"mail.zendesk.com"},
          .dkim_domains = {"zendesk.com"},
          .envelope_domains = {"zendesk.com"},
          .selectors = {"zendesk1", "zendesk2"},
          .ranges = {"185.12.80.0/22", "188.172.128.0/20", "192.161.144.0/20", "216.198.0.0/18"},
          .spf_alignment = SpfAlignment::kUnknown,
          .setup = "Publish the two CNAMEs zendesk1 and zendesk2._domainkey and enable DKIM for "
                   "the support address.",
          .url = "https://support.zendesk.com/hc/en-us/articles/4408832543770",
      },
      {
          .id = "freshdesk",
          .name = "Freshdesk",
          .kind = ServiceKind::kApplication,
          .spf_includes = {"email.freshdesk.com"},
          .dkim_domains = {"freshdesk.com", "freshemail.io"},
          .envelope_domains = {"freshdesk.com", "freshemail.io"},
          .selectors = {"fwdkim1"},
          .spf_alignment = SpfAlignment::kUnknown,
          .setup = "Add the domain under Advanced DKIM and publish the CNAMEs it shows.",
          .url = "https://support.freshdesk.com/support/solutions/articles/223779",
      },
      {
          .id = "help-scout",
          .name = "Help Scout",
          .kind = ServiceKind::kApplication,
          .spf_includes = {"helpscoutemail.com"},
          .dkim_domains = {"helpscout.net"},
          .envelope_domains = {"helpscout.net"},
          .selectors = {"strong1", "strong2"},
          .spf_alignment = SpfAlignment::kUnknown,
          .setup = "Publish the two CNAMEs strong1 and strong2._domainkey.",
          .url = "https://docs.helpscout.com/article/52-send-on-your-behalf",
      },
      {
          .id = "intercom",
          .name = "Intercom",
          .kind = ServiceKind::kApplication,
          .dkim_domains = {"intercom-mail.com", "intercom.io"},
          .envelope_domains = {"intercom-mail.com", "intercom.io"},
          .selectors = {"intercom"},
          .spf_alignment = SpfAlignment::kCustomReturnPath,
          .setup = "Publish intercom._domainkey and the custom bounce CNAME (outbound).",
          .url = "https://www.intercom.com/help/en/articles/182",
      },
      {
          .id = "salesforce",
          .name = "Salesforce",
          .kind = ServiceKind::kApplication,
          .spf_includes = {"_spf.salesforce.com"},
          .dkim_domains = {"salesforce.com"},
          .envelope_domains = {"salesforce.com"},
          .ranges = {"96.43.144.0/20"},
          .spf_alignment = SpfAlignment::kByInclude,
          .setup = "Create a DKIM key in Setup and publish its two CNAMEs. SPF aligns only while "
                   "bounce management is off.",
          .url =
              "https://help.salesforce.com/s/articleView?id=sf.emailadmin_create_secure_dkim.htm",
      },
      {
          .id = "shopify",
          .name = "Shopify",
          .kind = ServiceKind::kApplication,
          .spf_includes = {"shops.shopify.com"},
          .dkim_domains = {"shopifyemail.com", "shopify.com"},
          .envelope_domains = {"shopifyemail.com", "shopify.com"},
          .spf_alignment = SpfAlignment::kCustomReturnPath,
          .setup = "Authenticate the sender domain and publish the four CNAMEs it shows.",
          .url =
              "https://help.shopify.com/en/manual/intro-to-shopify/initial-setup/setup-your-email",
      },
      {
          .id = "atlassian",
          .name = "Atlassian Cloud",
          .kind = ServiceKind::kApplication,
          .spf_includes = {"_spf.atlassian.net"},
          .dkim_domains = {"atlassian.net", "atlassian.com"},
          .envelope_domains = {"atlassian.net", "atlassian.com"},
          .selectors = {"atlassian-#"},
          .spf_alignment = SpfAlignment::kUnknown,
          .setup = "Add the domain under product email and publish the records it shows.",
          .url = "https://support.atlassian.com/organization-administration/docs/"
                 "send-product-email-notifications-from-your-domain/",
      },
      {
          .id = "docusign",
          .name = "Docusign",
          .kind = ServiceKind::kApplication,
          .dkim_domains = {"docusign.net", "docusign.com"},
          .envelope_domains = {"docusign.net", "docusign.com"},
          .spf_alignment = SpfAlignment::kUnknown,
          .url = "https://support.docusign.com/",
      },
      {
          .id = "servicenow",
          .name = "ServiceNow",
          .kind = ServiceKind::kApplication,
          .dkim_domains = {"service-now.com"},
          .envelope_domains = {"service-now.com"},
          .spf_alignment = SpfAlignment::kUnknown,
          .url = "https://www.servicenow.com/docs/",
      },
      {
          .id = "qualtrics",
          .name = "Qualtrics",
          .kind = ServiceKind::kApplication,
          .spf_includes = {"_spf.qualtrics.com"},
          .dkim_domains = {"qualtrics-survey.com", "qemailserver.com"},
          .envelope_domains = {"qualtrics-survey.com", "qemailserver.com"},
          .spf_alignment = SpfAlignment::kUnknown,
          .setup = "Add a custom From domain and publish the DKIM records it shows.",
          .url = "https://www.qualtrics.com/support/survey-platform/distributions-module/"
                 "email-distribution/personal-and-company-email-addresses/",
      },
      {
          .id = "stripe",
          .name = "Stripe",
          .kind = ServiceKind::kApplication,
          .dkim_domains = {"stripe.com"},
          .envelope_domains = {"stripe.com"},
          .spf_alignment = SpfAlignment::kCustomReturnPath,
          .setup = "Add a custom email domain and publish the DKIM and bounce CNAMEs it shows.",
          .url = "https://docs.stripe.com/get-started/account/email-domain",
      },
      {
          .id = "quickbooks",
          .name = "Intuit QuickBooks",
          .kind = ServiceKind::kApplication,
          .dkim_domains = {"intuit.com"},
          .envelope_domains = {"intuit.com"},
          .spf_alignment = SpfAlignment::kNever,
          .url = "https://quickbooks.intuit.com/learn-support/",
      },
  };
}

}  // namespace dmarcate::catalogue
