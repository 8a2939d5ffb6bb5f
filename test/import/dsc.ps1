# Generated with Microsoft365DSC
<# EXOInboundConnector "in a comment" { #>
param (
    [parameter()]
    [System.Management.Automation.PSCredential]
    $Credential
)

Configuration M365TenantConfig
{
    $OrganizationName = $ConfigurationData.NonNodeData.OrganizationName
    Import-DscResource -ModuleName 'Microsoft365DSC' -ModuleVersion '1.0.0'

    Node localhost
    {
        EXOAcceptedDomain "EXOAcceptedDomain-clinic.example"
        {
            DomainType = "Authoritative";
        }
        EXOInboundConnector "EXOInboundConnector-Harbor"
        {
            AssociatedAcceptedDomains    = @();
            CloudServicesMailEnabled     = $False;
            Comment                      = "two `"lines`"";
            ConnectorSource              = "Default";
            ConnectorType                = "Partner";
            Credential                   = $Credscredential;
            Enabled                      = $True;
            Ensure                       = "Present";
            Identity                     = "Harbor";
            RequireTls                   = $True;
            RestrictDomainsToCertificate = $True;
            RestrictDomainsToIPAddresses = $False;
            SenderDomains                = @("smtp:harbor.example;1","smtp:*.harbor.example;1");
            SenderIPAddresses            = @();
            TenantId                     = $OrganizationName;
            TlsSenderCertificateName     = 'mx.harbor.example';
            TreatMessagesAsInternal      = $False;
        }
        EXOOutboundConnector "EXOOutboundConnector-Harbor"
        {
            ConnectorType                 = "Partner"
            Enabled                       = $True
            Ensure                        = "Present"
            Identity                      = "Harbor"
            IsTransportRuleScoped         = $False
            RecipientDomains              = @("harbor.example")
            SmartHosts                    = @("gate.harbor.example")
            TlsDomain                     = "*.harbor.example"
            TlsSettings                   = "DomainValidation"
            UseMXRecord                   = $False
        }
        EXOOutboundConnector "EXOOutboundConnector-Gone"
        {
            ConnectorType = "Partner"; Ensure = "Absent"; Identity = "Gone"
            RecipientDomains = @("gone.example")
        }
    }
}
