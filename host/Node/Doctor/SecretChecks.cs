using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Dawn.Commands;
using Dawn.Configuration;
using Dawn.Gateway;
using Dawn.Identity;

namespace Dawn.Node.Doctor;

/// <summary>The network's secret, certificates and the clock that they are judged by.</summary>
internal static class SecretChecks
{
    // One guess costs 64 MiB and 0.1 s on one core (Argon2id); 2^40 of them are within reach of a rented farm, 2^64 are not.
    private const double Weak = 64;
    private const double Guessable = 40;
    private const double LeastLife = 0.2;
    private const string GatewayCheck = "gateway-certificate";

    // What certificates are issued for (Membership/Admission.cs).
    private static readonly Dictionary<string, TimeSpan> Lifetimes = new(StringComparer.Ordinal)
    {
        ["member"] = TimeSpan.FromDays(30),
        ["guest"] = TimeSpan.FromDays(90),
        ["browser"] = TimeSpan.FromDays(1),
    };

    public static IEnumerable<Finding> All(DawnSettings settings, StoredNetwork? stored, LiveNode? node, TimeProvider time) =>
        [Secret(settings, stored), Certificate(stored, node, time), .. Gateway(settings, time), Clock(settings.DataDirectory, node, time)];

    private static Finding Secret(DawnSettings settings, StoredNetwork? stored)
    {
        if (settings.NetworkSecret is not { } secret)
        {
            return Finding.Ok("secret", stored switch { null => "The first start makes a random one.", { Root: null } => "This node is a guest and holds none.", _ => "The network's root is random, 256 bits." });
        }

        const string Cure = "Take 'openssl rand -hex 32', on all nodes of the network at once.";
        if (NetworkSecret.TryParseRoot(secret, out var root))
        {
            return root.Distinct().Count() < 12
                ? Finding.Fail("secret", "Dawn:Network:Secret has 64 hexadecimal digits that are not random.", Cure)
                : Finding.Ok("secret", "Dawn:Network:Secret is a root of 256 bits.");
        }

        var bits = Passphrase.EstimateBits(secret);
        var detail = string.Create(CultureInfo.InvariantCulture, $"Dawn:Network:Secret is a passphrase of about {bits:0} bits; whoever captures traffic, and every guest, can guess at it offline.");
        return bits < Guessable ? Finding.Fail("secret", detail, Cure) : bits < Weak ? Finding.Warn("secret", detail, Cure) : Finding.Ok("secret", detail);
    }

    private static Finding Certificate(StoredNetwork? stored, LiveNode? node, TimeProvider time)
    {
        var now = time.GetUtcNow();
        DateTimeOffset until;
        var role = "guest";
        if (node is not null && DateTimeOffset.TryParse(node.Diagnosis.Text("certificateNotAfter"), CultureInfo.InvariantCulture, out until))
        {
            role = node.Diagnosis.Text("role");
        }
        else if (stored is not { Root: null, Certificate: { } encoded })
        {
            return Finding.Ok("certificate", "This node certifies itself at each start, and anew at half of 30 days.");
        }
        else if (!NodeId.TryParse(stored.Key, out var network) || !NodeId.TryParse(stored.Node, out var self) ||
            Identity.Certificate.TryRead(Convert.FromBase64String(encoded), network, self, DateTimeOffset.UnixEpoch, out var certificate) is not null)
        {
            return Finding.Fail("certificate", "The certificate in network.json does not hold.", "Ask a member for a ticket ('dawn invite --role guest') and join with 'dawn join --replace'.");
        }
        else
        {
            (until, role) = (certificate!.NotAfter, certificate.Role.ToString().ToLowerInvariant());
        }

        return Life("certificate", $"This node's certificate ({role})", until - Lifetimes.GetValueOrDefault(role, TimeSpan.FromDays(30)), until, now,
            "Ask a member for a new ticket ('dawn invite') and join with 'dawn join --replace'.");
    }

    private static IEnumerable<Finding> Gateway(DawnSettings settings, TimeProvider time)
    {
        if (settings.GatewayUrl?.StartsWith("https:", StringComparison.OrdinalIgnoreCase) is not true)
        {
            yield break;
        }

        var (certificate, failure) = settings.GatewayCertificate is null ? Own(settings) : Given(settings);
        using (certificate)
        {
            if (certificate is not null)
            {
                var info = GatewayCertificateInfo.Of(certificate, settings.GatewayCertificate is null);
                var what = info.SelfMade ? "The gateway's certificate, made by this node," : $"The gateway's certificate {settings.GatewayCertificate}";
                // Its own a node renews long before.
                yield return info.SelfMade && time.GetUtcNow() > info.NotAfter
                    ? Finding.Ok(GatewayCheck, $"{what} expired at {info.NotAfter:u}; the next start makes another.")
                    : Life(GatewayCheck, $"{what} has the SHA-256 {info.Sha256} and", certificate.NotBefore, info.NotAfter, time.GetUtcNow(), "Renew it, and restart the node.", info.SelfMade ? 0 : LeastLife);
            }
            else if (failure is not null)
            {
                yield return failure;
            }
        }
    }

    private static (X509Certificate2? Certificate, Finding? Failure) Own(DawnSettings settings)
    {
        try
        {
            return Directory.Exists(settings.DataDirectory) && OwnCertificate.TryLoad(DataDirectory.Open(settings.DataDirectory)) is { } own
                ? (own, null)
                : (null, Finding.Ok(GatewayCheck, "The node makes one for its gateway at the next start."));
        }
        catch (StartException e)
        {
            return (null, Finding.Fail(GatewayCheck, e.Message, "Do that; 'dawn run' refuses it as well."));
        }
    }

    private static (X509Certificate2? Certificate, Finding? Failure) Given(DawnSettings settings)
    {
        try
        {
            return (new GatewayCertificate(settings.GatewayCertificate!, settings.GatewayCertificatePassword).Load().Certificate, null);
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            // Why is among the settings' problems already.
            return default;
        }
    }

    private static Finding Life(string check, string what, DateTimeOffset from, DateTimeOffset until, DateTimeOffset now, string cure, double least = LeastLife)
    {
        var left = (until - now) / (until - from);
        var text = $"{what} holds until {until:u}";
        return left <= 0 ? Finding.Fail(check, $"{what} expired at {until:u}.", cure)
            : left < least ? Finding.Warn(check, $"{text}, less than {least:0 %} of its life.", cure)
            : Finding.Ok(check, text + ".");
    }

    private static Finding Clock(string dataDirectory, LiveNode? node, TimeProvider time)
    {
        const string Cure = "Set the clock, and keep it right (NTP): peers refuse records that are 10 minutes ahead, and certificates go by it.";
        var now = time.GetUtcNow();
        var ahead = node?.Diagnosis.List("ahead").Select(a => a.GetDouble()).OrderDescending().ToList() ?? [];
        if (ahead is [> 5, ..])
        {
            // A single peer may be the one that is wrong.
            var detail = string.Create(CultureInfo.InvariantCulture, $"Records of {ahead.Count(a => a > 5)} of {ahead.Count} peers are of this node's future, by up to {ahead[0]:0} s.");
            return Finding.Warn("clock", detail + " This clock is behind, or theirs are ahead.", Cure);
        }

        var file = Path.Combine(dataDirectory, Backup.BackupArchive.SequenceFile);
        if (File.Exists(file) && long.TryParse(File.ReadAllText(file).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var last) && last > now.AddSeconds(5).ToUnixTimeMilliseconds())
        {
            return Finding.Warn("clock", $"It is {now:u}, but this node signed a record at {DateTimeOffset.FromUnixTimeMilliseconds(Math.Min(last, 253402300799999)):u}: the clock was set back.", Cure);
        }

        return Finding.Ok("clock", ahead.Count > 0
            ? $"It is {now:u}; no record of {ahead.Count} peers is of the future, so it is not behind theirs. That it is not ahead, records don't show."
            : $"It is {now:u}, later than all that this node signed. There are no peers to compare with.");
    }
}
