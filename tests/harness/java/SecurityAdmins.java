package portage;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/** ACLs and SCRAM passwords through Kafka's admin client. Enumerations are written as Kafka's enums are, ALLOW, TOPIC, …. */
final class SecurityAdmins {
    static void register(Map<String, LoadTool.Call> calls) {
        calls.put("acl.create", request -> {
            Admins.get(request).createAcls(List.of(binding(request))).all().get();
            return BooleanNode.TRUE;
        });
        calls.put("acl.delete", request -> {
            Admins.get(request).deleteAcls(List.of(binding(request).toFilter())).all().get();
            return BooleanNode.TRUE;
        });
        calls.put("acl.list", SecurityAdmins::list);
        calls.put("scram.set", request -> {
            ScramMechanism mechanism = ScramMechanism.fromMechanismName(request.get("mechanism").asText());
            Admins.get(request).alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(
                request.get("user").asText(), new ScramCredentialInfo(mechanism, 4096), request.get("password").asText())))
                .all().get();
            return BooleanNode.TRUE;
        });
    }

    private static AclBinding binding(JsonNode request) {
        return new AclBinding(
            new ResourcePattern(
                ResourceType.valueOf(request.get("resource").asText()),
                request.get("name").asText(),
                PatternType.valueOf(request.path("pattern").asText("LITERAL"))),
            new AccessControlEntry(
                request.get("principal").asText(),
                request.path("host").asText("*"),
                AclOperation.valueOf(request.get("operation").asText()),
                AclPermissionType.valueOf(request.path("permission").asText("ALLOW"))));
    }

    private static JsonNode list(JsonNode request) throws Exception {
        ArrayNode rows = LoadTool.JSON.createArrayNode();
        for (AclBinding acl : Admins.get(request).describeAcls(AclBindingFilter.ANY).values().get()) {
            ObjectNode row = rows.addObject();
            row.put("resource", acl.pattern().resourceType().name());
            row.put("name", acl.pattern().name());
            row.put("pattern", acl.pattern().patternType().name());
            row.put("principal", acl.entry().principal());
            row.put("host", acl.entry().host());
            row.put("operation", acl.entry().operation().name());
            row.put("permission", acl.entry().permissionType().name());
        }
        return rows;
    }
}
