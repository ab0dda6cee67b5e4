//! ListGroups, DescribeGroups, DeleteGroups.

use kafka_protocol::ResponseError as E;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, GroupId,
    ListGroupsRequest, ListGroupsResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::{Group, Phase};
use crate::Broker;
use crate::control::Call;
use crate::state::{State, code, text};

/// The only type of group here.
const CLASSIC: &str = "classic";

impl Broker {
    pub(crate) async fn list_groups(&self, _call: &Call, request: ListGroupsRequest) -> ListGroupsResponse {
        let state = self.state();
        let passes = |filter: &[StrBytes], value: &str| {
            filter.is_empty() || filter.iter().any(|f| f.eq_ignore_ascii_case(value))
        };
        let groups = state.groups.iter().filter(|(_, group)| {
            passes(&request.states_filter, group.state()) && passes(&request.types_filter, CLASSIC)
        });
        let groups = groups.map(|(id, group)| {
            ListedGroup::default()
                .with_group_id(GroupId(text(id)))
                .with_protocol_type(group.protocol_type.clone().unwrap_or_default())
                .with_group_state(text(group.state()))
                .with_group_type(StrBytes::from_static_str(CLASSIC))
        });
        let groups = groups.collect();
        ListGroupsResponse::default().with_groups(groups)
    }

    pub(crate) async fn describe_groups(&self, call: &Call, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
        let state = self.state();
        let groups = request.groups.into_iter().map(|id| match state.groups.get(&*id.0) {
            Some(group) => group.describe(id),
            None if call.version >= 6 => DescribedGroup::default()
                .with_error_message(Some(text(format!("Group {} not found.", &*id.0))))
                .with_group_id(id)
                .with_error_code(E::GroupIdNotFound.code())
                .with_group_state(StrBytes::from_static_str("Dead")),
            None => DescribedGroup::default().with_group_id(id).with_group_state(StrBytes::from_static_str("Dead")),
        });
        let groups = groups.collect();
        DescribeGroupsResponse::default().with_groups(groups)
    }

    pub(crate) async fn delete_groups(&self, _call: &Call, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
        let mut state = self.state();
        let results = request.groups_names.into_iter().map(|id| {
            let deleted = state.delete_group(&id.0);
            DeletableGroupResult::default().with_group_id(id).with_error_code(code(&deleted))
        });
        let results = results.collect();
        DeleteGroupsResponse::default().with_results(results)
    }
}

impl State {
    fn delete_group(&mut self, id: &str) -> Result<(), E> {
        let group = self.groups.get(id).ok_or(E::GroupIdNotFound)?;
        if group.phase != Phase::Empty {
            return Err(E::NonEmptyGroup);
        }
        self.groups.remove(id);
        Ok(())
    }
}

impl Group {
    fn describe(&self, id: GroupId) -> DescribedGroup {
        let members = self.members.iter().map(|(id, member)| {
            DescribedGroupMember::default()
                .with_member_id(text(id))
                .with_group_instance_id(member.instance_id.clone().map(text))
                .with_client_id(text(&member.client_id))
                .with_client_host(StrBytes::from_static_str("/127.0.0.1"))
                .with_member_metadata(self.metadata(member))
                .with_member_assignment(member.assignment.clone())
        });
        DescribedGroup::default()
            .with_group_id(id)
            .with_group_state(text(self.state()))
            .with_protocol_type(self.protocol_type.clone().unwrap_or_default())
            .with_protocol_data(self.protocol.clone().unwrap_or_default())
            .with_members(members.collect())
            .with_authorized_operations(i32::MIN)
    }
}
