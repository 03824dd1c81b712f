using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace CacheKit.Redis.Tests.Rig;

/// <summary>A self-signed certificate for a server on this machine.</summary>
internal sealed class ServerCertificate
{
    private readonly string _certificate;
    private readonly string _key;

    internal ServerCertificate()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        (_certificate, _key, Thumbprint) = (certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem(), certificate.Thumbprint);
    }

    internal string Thumbprint { get; }

    internal void WriteTo(string folder)
    {
        File.WriteAllText(Path.Combine(folder, "server.crt"), _certificate);
        File.WriteAllText(Path.Combine(folder, "server.key"), _key);
    }
}
