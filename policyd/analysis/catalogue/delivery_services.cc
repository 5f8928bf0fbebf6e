// Services that deliver for programs. Most use an envelope domain of their own until the customer
// sets up a return path; several others build on them, so they yield to a more specific service.
#include "policyd/analysis/catalogue.h"

namespace dmarcate::catalogue {

std::vector<MailService> DeliveryServices() {
  return {
      {
          .id = "sendgrid",
          .name = "Twilio SendGrid",
          .kind = ServiceKind::kDelivery,
          .spf_includes = {"sendgrid.net"},
          .dkim_domains = {"sendgrid.net", "sendgrid.info", "sendgrid.me"},
          .envelope_domains = {"sendgrid.net"},
          .ranges = {"50.31.32.0/19", "149.72.0.0/16", "159.183.0.0/16", "167.89.0.0/17",
                     "168.245.0.0/17", "192.254.112.0/20", "198.21.0.0/21", "198.37.144.0/20",
                     "208.117.48.0/20"},
          .spf_alignment = SpfAlignment::kCustomReturnPath,
          .setup = "Authenticate the domain with automated security: publish the two DKIM CNAMEs "
                   "and the return-path CNAME that the sender authentication page shows.",
          .url = "https://www.twilio.com/docs/sendgrid/ui/account-and-settings/"
                 "how-to-set-up-domain-authentication",
      },
      {
          .id = "amazon-ses",
          .name = "Amazon SES",
          .kind = ServiceKind::kDelivery,
          .spf_includes = {"amazonses.com"},
          .dkim_domains = {"amazonses.com"},
          .envelope_domains = {"amazonses.com"},
          .ranges = {"23.249.208.0/20", "23.251.224.0/19", "54.240.0.0/18", "69.169.224.0/20",
                     "76.223.128.0/19", "76.223.176.0/20", "199.127.232.0/22", "199.255.192.0/22"},
          .spf_alignment = SpfAlignment::kCustomReturnPath,
          .setup = "Verify the domain with Easy DKIM: publish the three CNAMEs. For SPF to align "
                   "too, configure a custom MAIL FROM domain.",
          .url =
              "https://docs.aws.amazon.com/ses/latest/dg/send-email-authentication-dkim-easy.html",
      },
      {
          .id = "mailgun",
          .name = "Mailgun",
          .kind = ServiceKind::kDelivery,
          .spf_includes = {"mailgun.org", "eu.mailgun.org"},
          .dkim_domains = {"mailgun.org", "mailgun.net"},
          .envelope_domains = {"mailgun.org", "mailgun.net"},
          .ranges = {"159.135.140.128/25", "166.78.68.0/22", "198.61.254.0/23"},
          .spf_alignment = SpfAlignment::kCustomReturnPath,
          .setup = "Add a sending domain below yours (mg.DOMAIN) and publish the SPF and DKIM "
                   "records that its page shows for that name.",
          .url = "https://documentation.mailgun.com/docs/mailgun/user-manual/domains/"
                 "domains-verify",
      },
      {
          .id = "postmark",
          .name = "Postmark",
          .kind = ServiceKind::kDelivery,
          .spf_includes = {"spf.mtasv.net"},
          .dkim_domains = {"mtasv.net"},
          .envelope_domains = {"mtasv.net"},
          .selectors = {"#pm", "#.pm"},
          .ranges = {"50.31.156.96/27", "104.245.209.192/26", "50.31.205.0/24"},
          .spf_alignment = SpfAlignment::kCustomReturnPath,
          .setup = "Publish the DKIM TXT record and the Return-Path CNAME (to pm.mtasv.net) of the "
                   "sender signature's DNS page.",
          .url = "https://postmarkapp.com/support/article/1091-how-do-i-set-up-dkim-for-postmark",
      },
      {
          .id = "sparkpost",
          .name = "SparkPost (Bird)",
          .kind = ServiceKind::kDelivery,
          .spf_includes = {"sparkpostmail.com"},
          .dkim_domains = {"sparkpostmail.com"},
          .envelope_domains = {"sparkpostmail.com"},
          .selectors = {"scph#"},
          .spf_alignment = SpfAlignment::kCustomReturnPath,
          .setup =
              "Publish the DKIM TXT record of the sending domain, and a bounce domain CNAME to "
              "sparkpostmail.com for SPF to align.",
          .url = "https://support.sparkpost.com/docs/getting-started/getting-started-sparkpost",
      },
      {
          .id = "mandrill",
          .name = "Mailchimp Transactional (Mandrill)",
          .kind = ServiceKind::kDelivery,
          .spf_includes = {"spf.mandrillapp.com"},
          .dkim_domains = {"mandrillapp.com"},
          .envelope_domains = {"mandrillapp.com"},
          .selectors = {"mandrill", "mte1", "mte2"},
          .spf_alignment = SpfAlignment::kCustomReturnPath,
          .setup = "Publish the CNAMEs mte1 and mte2._domainkey; a custom return path makes SPF "
                   "align.",
          .url = "https://mailchimp.com/developer/transactional/docs/authentication-delivery/",
      },
      {
          .id = "mailjet",
          .name = "Mailjet",
          .kind = ServiceKind::kDelivery,
          .spf_includes = {"spf.mailjet.com"},
          .dkim_domains = {"mailjet.com"},
          .envelope_domains = {"mailjet.com"},
          .selectors = {"mailjet"},
          .spf_alignment = SpfAlignment::kCustomReturnPath,
          .setup = "Publish the DKIM TXT record at mailjet._domainkey; a custom return path "
                   "(CNAME to bnc3.mailjet.com) makes SPF align.",
          .url = "https://documentation.mailjet.com/hc/en-us/articles/360042412734",
      },
      {
          .id = "brevo",
          .name = "Brevo (Sendinblue)",
          .kind = ServiceKind::kDelivery,
          .spf_includes = {"spf.brevo.com", "spf.sendinblue.com"},
          .dkim_domains = {"sendinblue.com", "brevo.com", "brevosend.com"},
          .envelope_domains = {"sendinblue.com", "sender-sib.com", "brevo.com", "brevosend.com"},
          .selectors = {"brevo1", "brevo2"},
          .spf_alignment = SpfAlignment::kCustomReturnPath,  // with an address of one's own
          .setup = "Publish the two CNAMEs brevo1 and brevo2._domainkey.",
          .url = "https://help.brevo.com/hc/en-us/articles/12163873383186",
      },
      {
          .id = "smtp2go",
          .name = "SMTP2GO",
          .kind = ServiceKind::kDelivery,
          .spf_includes = {"spf.smtp2go.com"},
          .dkim_domains = {"smtpservice.net", "smtp2go.com"},
          .envelope_domains = {"smtp2go.com"},
          .spf_alignment = SpfAlignment::kCustomReturnPath,
          .setup = "Add a sender domain and publish its three CNAMEs: DKIM, return path, tracking.",
          .url = "https://support.smtp2go.com/hc/en-gb/articles/115004408567",
      },
      {
          .id = "elastic-email",
          .name = "Elastic Email",
          .kind = ServiceKind::kDelivery,
          .spf_includes = {"_spf.elasticemail.com"},
          .dkim_domains = {"elasticemail.com"},
          .envelope_domains = {"elasticemail.com"},
          .spf_alignment = SpfAlignment::kCustomReturnPath,
          .setup = "Publish the DKIM TXT record at api._domainkey and set a custom bounce domain.",
          .url = "https://help.elasticemail.com/en/articles/4934400-how-to-verify-your-domain",
      },
      {
          .id = "mailersend",
          .name = "MailerSend",
          .kind = ServiceKind::kDelivery,
          .dkim_domains = {"mailersend.net"},
          .envelope_domains = {"mailersend.net"},
          .selectors = {"mlsend", "mlsend2"},
          .spf_alignment = SpfAlignment::kCustomReturnPath,
          .setup =
              "Publish the CNAMEs mlsend2._domainkey and the return path of the domain's page.",
          .url = "https://www.mailersend.com/help/how-to-verify-and-authenticate-a-sending-domain",
      },
      {
          .id = "resend",
          .name = "Resend",
          .kind = ServiceKind::kDelivery,
          .selectors = {"resend"},
          .spf_alignment = SpfAlignment::kCustomReturnPath,
          .setup = "Publish resend._domainkey, and MX and SPF at send.DOMAIN.",
          .url = "https://resend.com/docs/dashboard/domains/introduction",
      },
      {
          .id = "socketlabs",
          .name = "SocketLabs",
          .kind = ServiceKind::kDelivery,
          .spf_includes = {"email-od.com"},
          .dkim_domains = {"email-od.com"},
          .envelope_domains = {"email-od.com"},
          .spf_alignment = SpfAlignment::kCustomReturnPath,
          .setup = "Set up a custom bounce domain and a DKIM key for the server.",
          .url = "https://help.socketlabs.com/docs/spf",
      },
      {
          .id = "zeptomail",
          .name = "Zoho ZeptoMail",
          .kind = ServiceKind::kDelivery,
          .dkim_domains = {"zeptomail.com"},
          .envelope_domains = {"zeptomail.com"},
          .spf_alignment = SpfAlignment::kCustomReturnPath,
          .setup = "Publish the DKIM TXT record and the bounce CNAME of the domain's page.",
          .url = "https://www.zoho.com/zeptomail/help/domains.html",
      },
  };
}

}  // namespace dmarcate::catalogue
